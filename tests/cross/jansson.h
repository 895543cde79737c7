/* Stands in for jansson where a cross build has none: makes nothing and prints nothing, so that the
 * commands compile as they are. The cross build's main refuses --json. */
#ifndef BATCHMARK_CROSS_JANSSON_H
#define BATCHMARK_CROSS_JANSSON_H

#include <stddef.h>
#include <stdio.h>

typedef struct json_stand_in json_t;
typedef long long json_int_t;

#define JSON_INDENT(n) (n)
#define JSON_COMPACT 0x20

#define json_array() ((json_t *)NULL)
#define json_object() ((json_t *)NULL)
#define json_null() ((json_t *)NULL)
#define json_string(text) ((void)(text), (json_t *)NULL)
#define json_integer(value) ((void)(value), (json_t *)NULL)
#define json_real(value) ((void)(value), (json_t *)NULL)
#define json_boolean(value) ((void)(value), (json_t *)NULL)
#define json_array_append_new(array, value) ((void)(array), (void)(value))
#define json_object_set_new(object, key, value) ((void)(object), (void)(key), (void)(value))
#define json_decref(json) ((void)(json))
#define json_dumpf(json, file, flags) ((void)(json), (void)(file), (void)(flags))

static inline json_t *json_pack(const char *format, ...)
{
    (void)format;
    return NULL;
}

#endif
