// Makes every sync to disk take longer: LD_PRELOAD this library, with the delay in SLOW_SYNC_MS.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int delayed(const char *name, int file) {
    const char *ms = getenv("SLOW_SYNC_MS");
    long delay = ms ? atol(ms) : 10;
    struct timespec time = {delay / 1000, delay % 1000 * 1000000};
    nanosleep(&time, NULL);
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return sync(file);
}

int fsync(int file) { return delayed("fsync", file); }
int fdatasync(int file) { return delayed("fdatasync", file); }
