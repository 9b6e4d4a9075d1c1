/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptor numbers are the program's: whichever it takes or closes, what the engine
 * has in the same table goes on, and what the program put there stays.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "edu.h"

static bool signalled(int ev)
{
	struct pollfd p = { .fd = ev, .events = POLLIN };
	uint64_t count;

	return poll(&p, 1, 5000) == 1 && read(ev, &count, sizeof(count)) == sizeof(count);
}

/**
 * struct busy - a device with everything that keeps descriptors in the engine
 * @irq: what INTx signals
 * @unmask: what unmasks it
 */
struct busy {
	struct edu e;
	int irq;
	int unmask;
	char *page;
};

static bool busy_open(struct busy *b)
{
	b->page = pages(4096, MAP_PRIVATE);
	b->irq = eventfd(0, EFD_CLOEXEC);
	b->unmask = eventfd(0, EFD_CLOEXEC);
	CHECK(b->page && b->irq >= 0 && b->unmask >= 0);
	CHECK(edu_open(&b->e) && !attach_to(b->e.device, b->e.ioas));
	CHECK(!map_at(b->e.iommufd, b->e.ioas, b->page, 4096, IOVA));
	CHECK(!set_irq(b->e.device, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, b->irq));
	CHECK(!set_irq(b->e.device, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK,
		       b->unmask));
	return true;
}

/* Raised, signalled once; still up, so unmasking by eventfd signals it again. */
static bool busy_works(struct busy *b)
{
	const uint64_t one = 1;

	*reg(&b->e, IRQ_RAISE) = 1;
	CHECK(signalled(b->irq));
	for (int i = 0; i < 3; i++) {
		CHECK(write(b->unmask, &one, sizeof(one)) == sizeof(one));
		CHECK(signalled(b->irq));
	}
	*reg(&b->e, IRQ_ACK) = 1;
	CHECK(write(b->unmask, &one, sizeof(one)) == sizeof(one));

	b->page[0] = 'x';
	b->page[63] = 'y';
	dma(&b->e, IOVA, false);
	memset(b->page, 0, 64);
	dma(&b->e, IOVA, true);
	CHECK(b->page[0] == 'x' && b->page[63] == 'y');
	return true;
}

static bool busy_close(struct busy *b)
{
	CHECK(!close(b->irq) && !close(b->unmask) && !munmap(b->page, 4096));
	return edu_close(&b->e);
}

/* Nor are those that came from whoever started us. */
static bool inherited[8192];

static bool is_ours(const struct busy *b, int fd)
{
	return inherited[fd] || fd == b->irq || fd == b->unmask || fd == b->e.device ||
	       fd == b->e.iommufd;
}

static int highest(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 8192)
		return 8191;
	return (int)limit.rlim_cur - 1;
}

/* An eventfd, so that a byte of the engine that goes astray is noticed. */
static bool any_number_can_be_taken(void)
{
	int mine = eventfd(0, EFD_NONBLOCK), top = highest();
	uint64_t count;
	struct busy b;

	CHECK(mine >= 0 && busy_open(&b) && busy_works(&b));
	/* not all at once: what makes way must find room */
	for (int from = mine + 1; from <= top; from += 64) {
		int to = from + 63 < top ? from + 63 : top;

		for (int fd = from; fd <= to; fd++)
			if (!is_ours(&b, fd))
				CHECK(dup2(mine, fd) == fd);
		CHECK(busy_works(&b));
		for (int fd = from; fd <= to; fd++)
			if (!is_ours(&b, fd))
				CHECK(!close(fd));
	}
	CHECK(read(mine, &count, sizeof(count)) < 0 && errno == EAGAIN);
	CHECK(busy_works(&b));
	return !close(mine) && busy_close(&b);
}

static bool dup3_takes_any_number_too(void)
{
	int mine = eventfd(0, EFD_NONBLOCK), top = highest();
	struct busy b;

	CHECK(mine >= 0 && busy_open(&b));
	for (int fd = top - 1200 > mine ? top - 1200 : mine + 1; fd <= top; fd++) {
		if (is_ours(&b, fd))
			continue;
		CHECK(dup3(mine, fd, O_CLOEXEC) == fd && fcntl(fd, F_GETFD) == FD_CLOEXEC);
		CHECK(!close(fd));
	}
	CHECK(busy_works(&b));
	return !close(mine) && busy_close(&b);
}

/* A device of this process, used in a child, whose memory is reached from here. */
static bool numbers_can_be_taken_while_children_are_served(void)
{
	int go[2], done[2], mine = eventfd(0, EFD_NONBLOCK), top = highest();
	struct busy b;
	pid_t child;
	char byte;

	CHECK(mine >= 0 && !pipe(go) && !pipe(done) && busy_open(&b));
	child = fork();
	if (!child) {
		char *page = pages(4096, MAP_PRIVATE);
		uint32_t space = new_ioas(b.e.iommufd);
		bool ok = page && space && !map_at(b.e.iommufd, space, page, 4096, IOVA);

		ok = ok && !attach_to(b.e.device, space) && write(done[1], "x", 1) == 1 &&
		     read(go[0], &byte, 1) == 1;
		if (ok) {
			page[0] = 'c';
			dma(&b.e, IOVA, false);
			page[0] = 0;
			dma(&b.e, IOVA, true);
		}
		_exit(ok && page[0] == 'c' ? 0 : 1);
	}
	CHECK(read(done[0], &byte, 1) == 1);
	for (int fd = done[1] + 1; fd <= top; fd++) {
		if (is_ours(&b, fd))
			continue;
		CHECK(dup2(mine, fd) == fd);
		CHECK(!close(fd));
	}
	CHECK(write(go[1], "x", 1) == 1 && wait_for(child) == 0);
	CHECK(!attach_to(b.e.device, b.e.ioas) && busy_works(&b));
	for (int i = 0; i < 2; i++)
		CHECK(!close(go[i]) && !close(done[i]));
	return !close(mine) && busy_close(&b);
}

static bool loops_of_close_spare_the_engine(void)
{
	int top = highest();
	struct busy b;

	CHECK(busy_open(&b));
	for (int fd = 3; fd <= top; fd++)
		if (!is_ours(&b, fd))
			CHECK(close(fd) < 0 && errno == EBADF);
	CHECK(busy_works(&b));
	return busy_close(&b);
}

static bool ranges_spare_the_engine(void)
{
	struct busy b;
	int last;

	for (int way = 0; way < 2; way++) {
		CHECK(busy_open(&b));
		last = b.e.iommufd > b.e.device ? b.e.iommufd : b.e.device;
		CHECK(b.irq < last && b.unmask < last);
		if (way)
			closefrom(last + 1);
		else
			CHECK(!close_range((unsigned)last + 1, ~0u, 0));
		CHECK(busy_works(&b));
		CHECK(busy_close(&b));
	}
	return true;
}

/* As daemons do: everything goes, and with it the device, which can be opened again. */
static bool closing_all_of_them_closes_the_device(void)
{
	struct busy b;

	CHECK(busy_open(&b));
	CHECK(!munmap((void *)b.e.bar, BAR_SIZE) && !munmap(b.page, 4096));
	closefrom(3);
	CHECK(busy_open(&b) && busy_works(&b));
	return busy_close(&b);
}

static const struct test tests[] = {
	TEST(any_number_can_be_taken),
	TEST(dup3_takes_any_number_too),
	TEST(numbers_can_be_taken_while_children_are_served),
	TEST(loops_of_close_spare_the_engine),
	TEST(ranges_spare_the_engine),
	TEST(closing_all_of_them_closes_the_device),
};

int main(void)
{
	for (int fd = 0; fd < 8192; fd++)
		inherited[fd] = fcntl(fd, F_GETFD) >= 0;
	return run_tests(tests, NR_TESTS(tests), NULL);
}
