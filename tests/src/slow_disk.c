/* A disk that is slow while a file is there: in front of the C library (LD_PRELOAD) of a program that
 * writes. The disk confirms nothing within 150 ms, and takes 3 ms for what is written. The file gets a
 * byte for each time that the program waited. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void wait_if_slow(long milliseconds)
{
    const char *file = getenv("LAJU_TEST_SLOW_DISK");
    int waits = file ? open(file, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (waits >= 0) {
        struct timespec time = {0, milliseconds * 1000000};
        nanosleep(&time, NULL);
        if (write(waits, "w", 1) != 1)
            abort();
        close(waits);
    }
}

#define CONFIRMS(NAME, PARAMETERS, ARGUMENTS) SLOW(NAME, int, 150, PARAMETERS, ARGUMENTS)
#define WRITES(NAME, PARAMETERS, ARGUMENTS) SLOW(NAME, ssize_t, 3, PARAMETERS, ARGUMENTS)
#define SLOW(NAME, RESULT, MILLISECONDS, PARAMETERS, ARGUMENTS) \
    RESULT NAME PARAMETERS                                      \
    {                                                           \
        static RESULT(*next) PARAMETERS;                        \
        if (!next)                                              \
            next = (RESULT(*) PARAMETERS)dlsym(RTLD_NEXT, #NAME); \
        wait_if_slow(MILLISECONDS);                             \
        return next ARGUMENTS;                                  \
    }

CONFIRMS(fsync, (int file), (file))
CONFIRMS(fdatasync, (int file), (file))
CONFIRMS(sync_file_range, (int file, off64_t from, off64_t length, unsigned flags),
         (file, from, length, flags))
WRITES(pwrite64, (int file, const void *bytes, size_t length, off64_t at), (file, bytes, length, at))
