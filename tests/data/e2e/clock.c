/* Preloaded into a program: its clock is off by the seconds that the file $CLOCK_OFFSET holds at the moment. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
	int result = syscall(SYS_clock_gettime, clock, time);
	FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("CLOCK_OFFSET"), "r") : NULL;
	long offset;
	if (file && fscanf(file, "%ld", &offset) == 1)
		time->tv_sec += offset;
	if (file)
		fclose(file);
	return result;
}
