/* Reads the text of a network word by word. A function that returns false has written one line of text to `error`: which
 * word is wrong, and what to write. */
#ifndef BATCHMARK_READER_H
#define BATCHMARK_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The current word is text[start .. start + length). */
struct reader {
    const char *text;
    size_t start, length;
    char word[64]; /* the current word, cut off if it is longer; "" at the end; ";" is a word */
    const struct reader *layer; /* where the name of the layer stands */
    char *error;
};

/* Moves on to the next word. */
void reader_next(struct reader *r);
/* No word of this layer is left. */
bool reader_at_end(const struct reader *r);

/* These move on where the current word is what they look for. */
bool reader_accept(struct reader *r, const char *word);
/* From 1 to 1000000; `what` says what to write. */
bool reader_count(struct reader *r, const char *what, int64_t *out);
bool reader_real(struct reader *r, double low, double high, const char *what, double *out);

/* Is the current word `name`, with any capitals, perhaps with a value after '=' or '('? */
bool reader_is(const struct reader *r, const char *name);

/* Write an error about the current word and return false. The first says `what`; the second also the bounds of
 * a number. The third is for an unknown option: it says what the layer takes, and how an option of another
 * library is written here. */
bool reader_wrong(const struct reader *r, const char *what);
bool reader_wrong_number(const struct reader *r, const char *what, int most);
bool reader_wrong_option(const struct reader *r, const char *takes);

#endif
