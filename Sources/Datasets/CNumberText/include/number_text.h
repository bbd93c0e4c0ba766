/* Numbers as text, in the C locale whatever locale the process has: a library of a backend may set another. */
#ifndef SWITCHBACK_NUMBER_TEXT_H
#define SWITCHBACK_NUMBER_TEXT_H

/* As strtof and strtod: where the number ends comes back in `end`. */
float switchback_parse_float(const char *text, char **end);
double switchback_parse_double(const char *text, char **end);

#endif
