/* What was handed to a backend last, in words: all that is left to say when its code crashes. */
#ifndef SWITCHBACK_CRASH_NOTE_H
#define SWITCHBACK_CRASH_NOTE_H

/* The words must live until the next call; null: nothing is handed over. */
void switchback_crash_note(const char *words);

/* Words that are said in place of all notes, until the next call; they must live as long. For whoever knows better than a
   segment does what shows the crash again. */
void switchback_crash_subject(const char *words);

/* The words that were noted last, or null. */
const char *switchback_crash_words(void);

/* From now on a crash writes the words to standard error, and then goes the way that it would have gone: to the handler of
   a sanitizer or of Swift's backtraces, or to the end. Once in a process. Of stacks that overflow only the calling thread's
   is reported. */
void switchback_report_crashes(void);

#endif
