/* Messages of errors. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

bool explain(char error[ERROR_TEXT], const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(error, ERROR_TEXT, format, list);
    va_end(list);
    return false;
}
