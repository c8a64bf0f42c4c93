/* What is known of an address, for reports. */
#ifndef TARN_ALLOC_DESCRIBE_H
#define TARN_ALLOC_DESCRIBE_H

/* For tarn__fail_describe: knows malloc's objects, those of caches and of users' heaps, and pages. */
struct tarn__suspect;
void tarn__describe(const void *address, struct tarn__suspect *suspect);

#endif
