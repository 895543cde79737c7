/* One line that says what is wrong, where, and what to do: what every function that reads the user's input fills in. */
#ifndef BATCHMARK_ERROR_H
#define BATCHMARK_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT 512 /* bytes of an error message */

/* Writes the message as printf does, cut off where it is too long. Always false, to be returned by the caller. */
__attribute__((format(printf, 2, 3))) bool explain(char error[ERROR_TEXT], const char *format, ...);

#endif
