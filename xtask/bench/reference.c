// SPDX-License-Identifier: GPL-2.0 OR MIT
//
// The user side of reference.bpf.c.
//
//   reference copy     attach; empty the ring buffer every INTERVAL_MS; at SIGINT print what happened, as JSON
//   reference stats    keep the kernel's eBPF run time statistics enabled until SIGINT
//
// Both print READY on standard error when they are, and end with the thread that started them.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "reference.skel.h"

#define INTERVAL_MS 10

static volatile sig_atomic_t stopped;
static unsigned long long delivered;

static void stop(int signal)
{
	stopped = 1;
}

static int deliver(void *context, void *data, size_t size)
{
	delivered++;
	return 0;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* The sum over all processors. */
static unsigned long long counter(int map, __u32 which)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned long long sum = 0;

	if (cpus < 1)
		return 0;
	__u64 values[cpus];

	if (bpf_map_lookup_elem(map, &which, values))
		return 0;
	for (int cpu = 0; cpu < cpus; cpu++)
		sum += values[cpu];
	return sum;
}

static int copy(double started_ms)
{
	struct timespec interval = { .tv_nsec = INTERVAL_MS * 1000000L };
	struct bpf_prog_info info = {};
	__u32 info_size = sizeof(info);
	struct reference_bpf *bpf = reference_bpf__open_and_load();
	struct ring_buffer *ring;
	int counters;

	if (!bpf || reference_bpf__attach(bpf)) {
		perror("cannot load or attach the program");
		return 1;
	}
	ring = ring_buffer__new(bpf_map__fd(bpf->maps.ring), deliver, NULL, NULL);
	if (!ring) {
		perror("cannot map the ring buffer");
		return 1;
	}
	fprintf(stderr, "READY startup_ms %.1f\n", now_ms() - started_ms);
	while (!stopped) {
		nanosleep(&interval, NULL);
		ring_buffer__consume(ring);
	}
	if (bpf_obj_get_info_by_fd(bpf_program__fd(bpf->progs.reference_copy), &info, &info_size)) {
		perror("cannot read the program's statistics");
		return 1;
	}
	reference_bpf__detach(bpf);
	ring_buffer__consume(ring);
	counters = bpf_map__fd(bpf->maps.counters);
	printf("{\"seen\":%llu,\"ring_full\":%llu,\"delivered\":%llu,\"run_cnt\":%llu,\"ns_per_event\":%.1f}\n",
	       counter(counters, 0), counter(counters, 1), delivered, (unsigned long long)info.run_cnt,
	       info.run_cnt ? (double)info.run_time_ns / info.run_cnt : 0.0);
	ring_buffer__free(ring);
	reference_bpf__destroy(bpf);
	return 0;
}

static int stats(void)
{
	struct timespec interval = { .tv_nsec = INTERVAL_MS * 1000000L };

	/* They stay enabled as long as this file descriptor is open. */
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) {
		perror("cannot enable run time statistics");
		return 1;
	}
	fprintf(stderr, "READY\n");
	while (!stopped)
		nanosleep(&interval, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	double started_ms = now_ms();
	struct sigaction action = { .sa_handler = stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	if (argc == 2 && !strcmp(argv[1], "copy"))
		return copy(started_ms);
	if (argc == 2 && !strcmp(argv[1], "stats"))
		return stats();
	fprintf(stderr, "usage: reference copy|stats\n");
	return 2;
}
