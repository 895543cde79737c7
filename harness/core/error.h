/* One line that says what is wrong, where, and what to do. Every function that reads the user's input
 * fills it in. */
#ifndef BATCHMARK_ERROR_H
#define BATCHMARK_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT 512 /* bytes of an error message */

/* Writes the message as printf does and cuts it off if it is too long. Always returns false, so that
 * the caller can return its result. */
__attribute__((format(printf, 2, 3))) bool explain(char error[ERROR_TEXT], const char *format, ...);

#endif
