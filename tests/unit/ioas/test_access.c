/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In-process access: pins, copies, and being asked to let go. The public names,
 * which are what a VMM uses.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "user_fixture.h"

static struct rf_access *access_;
static struct account *account;
static struct {
	unsigned calls;
	uint64_t first, last;
	uint64_t iova, length; /* to unpin when asked; length 0: nothing */
} holder;

static void let_go(void *arg, uint64_t first, uint64_t last)
{
	holder.calls++;
	holder.first = first;
	holder.last = last;
	if (holder.length)
		rf_access_unpin(access_, holder.iova, holder.length);
	holder.length = 0;
}

static const struct rf_access_ops pinning = { let_go };
static const struct rf_access_ops plain = { NULL };

static int make_access(void **state)
{
	memset(&holder, 0, sizeof(holder));
	account = account_new(UINT64_MAX);
	if (!account || make_empty(state))
		return -1;
	ioas_set_account(ioas, account, ACCOUNT_USER);
	return rf_access_new(&pinning, NULL, &access_) || rf_access_attach(access_, ioas);
}

static int drop_access(void **state)
{
	rf_access_free(access_);
	drop_empty(state);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	account_free(account);
	return 0;
}

static int pin(uint64_t iova, uint64_t length, struct rf_pinned_page *out)
{
	return rf_access_pin(access_, iova, length, out, RF_ACCESS_WRITE);
}

static void pinned_pages_are_told_and_charged(void **state)
{
	struct rf_pinned_page out[4];
	char *p = pages(4);

	assert_int_equal(user_map_at(MOCK_BASE, p, 4 * PAGE), 0);
	assert_int_equal(pin(MOCK_BASE + PAGE, 2 * PAGE, out), 0);
	assert_ptr_equal((void *)out[0].addr, p + PAGE);
	assert_ptr_equal((void *)out[1].addr, p + 2 * PAGE);
	assert_ptr_equal(out[0].owner, owner);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 2);
	/* again, and a piece of it: charged once */
	assert_int_equal(pin(MOCK_BASE + PAGE, 2 * PAGE, out), 0);
	assert_int_equal(pin(MOCK_BASE + 2 * PAGE, 1, out), 0);
	assert_int_equal(pages_pin_count(owner, (uintptr_t)p + 2 * PAGE), 1);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 2);
	rf_access_unpin(access_, MOCK_BASE + PAGE, 2 * PAGE);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 2);
	rf_access_unpin(access_, MOCK_BASE + PAGE, 2 * PAGE);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 1);
	/* what was not pinned so does not matter */
	rf_access_unpin(access_, MOCK_BASE + PAGE, 2 * PAGE);
	rf_access_unpin(access_, MOCK_BASE, PAGE);
	rf_access_unpin(access_, MOCK_BASE + 2 * PAGE, 1);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	assert_false(pin_any(owner));
	munmap(p, 4 * PAGE);
}

static void pins_are_refused_as_linux_does(void **state)
{
	struct rf_access *other;
	struct rf_pinned_page out[8];
	uint64_t ro = 8 * PAGE, wo = 16 * PAGE;
	char *p = pages(4);

	take_faults();
	assert_int_equal(user_map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(user_map_at(3 * PAGE, p, PAGE), 0);
	assert_int_equal(user_map_in(ioas, p, PAGE, RF_READ, true, &ro), 0);
	assert_int_equal(user_map_in(ioas, p, PAGE, RF_WRITE, true, &wo), 0);
	assert_int_equal(pin(0, 0, out), -EINVAL);
	assert_int_equal(pin(UINT64_MAX, 2, out), -EOVERFLOW);
	assert_int_equal(pin(1, PAGE, out), -EINVAL);
	assert_int_equal(rf_access_pin(access_, 0, PAGE, out, 1u << 5), -EINVAL);
	assert_int_equal(pin(PAGE, 2 * PAGE, out), -ENOENT);
	assert_int_equal(pin(4 * PAGE, PAGE, out), -ENOENT);
	assert_int_equal(pin(ro, PAGE, out), -EPERM);
	assert_int_equal(rf_access_pin(access_, wo, PAGE, out, 0), -EPERM);
	assert_int_equal(rf_access_pin(access_, ro, PAGE, out, 0), 0);
	rf_access_unpin(access_, ro, PAGE);
	munmap(p + PAGE, PAGE);
	assert_int_equal(pin(0, 2 * PAGE, out), -EFAULT);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);

	assert_int_equal(rf_access_new(&plain, NULL, &other), 0);
	assert_int_equal(rf_access_attach(other, ioas), 0);
	assert_int_equal(rf_access_pin(other, 0, PAGE, out, 0), -EINVAL);
	rf_access_free(other);
	assert_int_equal(rf_access_attach(access_, NULL), 0);
	assert_int_equal(pin(0, PAGE, out), -ENOENT);
	assert_int_equal(rf_access_rw(access_, 0, out, 1, 0), -ENOENT);
	munmap(p, 4 * PAGE);
}

static void unmap_asks_for_what_is_pinned(void **state)
{
	struct rf_pinned_page out[4];
	char *p = pages(4);

	assert_int_equal(user_map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(user_map_at(2 * PAGE, p + 2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(pin(PAGE, 2 * PAGE, out), 0); /* across both */
	holder.iova = PAGE;
	holder.length = 2 * PAGE;
	assert_int_equal(user_unmap(0, 2 * PAGE), 0);
	assert_int_equal(holder.calls, 1);
	assert_true(holder.first == 0 && holder.last == 2 * PAGE - 1);
	assert_int_equal(user_unmap(2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(holder.calls, 1);
	munmap(p, 4 * PAGE);
}

static void a_holder_that_keeps_its_pin_is_a_deadlock(void **state)
{
	struct rf_pinned_page out[2];
	char byte;
	char *p = pages(2);

	assert_int_equal(user_map_at(0, p, PAGE), 0);
	assert_int_equal(user_map_at(PAGE, p, PAGE), 0);
	assert_int_equal(pin(PAGE, PAGE, out), 0);
	assert_int_equal(user_unmap(0, 2 * PAGE), -EDEADLK);
	assert_int_equal(holder.calls, 100);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	/* nobody may use it any more */
	assert_int_equal(pin(PAGE, PAGE, out), -EINVAL);
	assert_int_equal(rf_access_rw(access_, PAGE, &byte, 1, 0), -EINVAL);
	rf_access_unpin(access_, PAGE, PAGE);
	assert_int_equal(user_unmap(PAGE, PAGE), 0);
	munmap(p, 2 * PAGE);
}

static void the_librarys_unmap_asks_too(void **state)
{
	struct rf_pinned_page out[2];
	uint64_t unmapped;
	char *p = pages(2);

	assert_int_equal(map_at(MOCK_BASE, p, 2 * PAGE), 0);
	assert_int_equal(pin(MOCK_BASE, PAGE, out), 0);
	holder.iova = MOCK_BASE;
	holder.length = PAGE;
	assert_int_equal(rf_ioas_unmap(ioas, MOCK_BASE, PAGE, 0, &unmapped), -ENOENT);
	assert_int_equal(holder.calls, 0);
	assert_int_equal(rf_ioas_unmap(ioas, MOCK_BASE, 2 * PAGE, 0, &unmapped), 0);
	assert_int_equal(holder.calls, 1);
	assert_int_equal(unmapped, 2 * PAGE);
	assert_false(pin_any(owner));
	munmap(p, 2 * PAGE);
}

static void pinned_pages_outlive_the_programs_mapping(void **state)
{
	struct rf_pinned_page out[2];
	struct domain *mock;
	char byte;
	char *p = pages(3);

	take_faults();
	assert_int_equal(user_map_at(MOCK_BASE, p, 2 * PAGE), 0);
	assert_int_equal(pin(MOCK_BASE, PAGE, out), 0);
	program_unmaps(p, PAGE);
	assert_int_equal(rf_access_rw(access_, MOCK_BASE, &byte, 1, 0), -EFAULT);
	assert_int_equal(rf_access_rw(access_, MOCK_BASE, &byte, 1, RF_ACCESS_SLOW), 0);
	assert_int_equal(byte, 'a');
	/* a device that comes later sees the same page; so does one that stays longer */
	mock = add_mock(ioas);
	assert_int_equal(device_reads(mock, MOCK_BASE), 'a');
	assert_int_equal(device_reads(mock, MOCK_BASE + PAGE), 'b');
	rf_access_unpin(access_, MOCK_BASE, PAGE);
	assert_int_equal(device_reads(mock, MOCK_BASE), 'a');
	assert_int_equal(pin(MOCK_BASE, 2 * PAGE, out), 0);
	assert_int_equal(*(char *)out[0].addr, 'a');
	assert_ptr_equal((void *)out[1].addr, p + PAGE);
	ioas_del_domain(ioas, mock);
	assert_int_equal(rf_access_rw(access_, MOCK_BASE, (char[]){ "z" }, 1,
				      RF_ACCESS_SLOW | RF_ACCESS_WRITE),
			 0);
	assert_int_equal(*(char *)out[0].addr, 'z');
	rf_access_unpin(access_, MOCK_BASE, 2 * PAGE);
	assert_int_equal(rf_access_rw(access_, MOCK_BASE, &byte, 1, RF_ACCESS_SLOW), -EFAULT);
	munmap(p + PAGE, 2 * PAGE);
}

static void copies_go_across_areas_at_any_byte(void **state)
{
	char buf[64];
	char *p = pages(2);

	for (unsigned slow = 0; slow < 2; slow++) {
		uint32_t flags = slow ? RF_ACCESS_SLOW : 0;

		memset(p, 0, 2 * PAGE);
		assert_int_equal(user_map_at(PAGE, p, PAGE), 0);
		assert_int_equal(user_map_at(2 * PAGE, p + PAGE, PAGE), 0);
		memcpy(buf, "0123456789", 10);
		assert_int_equal(
			rf_access_rw(access_, 2 * PAGE - 4, buf, 10, flags | RF_ACCESS_WRITE), 0);
		assert_memory_equal(p + PAGE - 4, "0123456789", 10);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(rf_access_rw(access_, 2 * PAGE - 3, buf, 8, flags), 0);
		assert_memory_equal(buf, "12345678", 8);
		assert_int_equal(rf_access_rw(access_, 3 * PAGE - 3, buf, 4, flags), -ENOENT);
		assert_int_equal(rf_access_rw(access_, 0, buf, 4, flags), -ENOENT);
		assert_int_equal(rf_access_rw(access_, PAGE, buf, 0, flags), -EINVAL);
		assert_int_equal(rf_access_rw(access_, PAGE, buf, UINT64_MAX, flags), -EOVERFLOW);
		assert_int_equal(user_unmap(0, UINT64_MAX), 0);
	}
	assert_int_equal(rf_access_rw(access_, PAGE, buf, 1, 1u << 9), -EINVAL);
	munmap(p, 2 * PAGE);
}

static int rw_for(const struct rf_owner *who, uint64_t iova, void *data, uint64_t length,
		  uint32_t flags)
{
	return ioas_access_rw_for((struct ioas_access *)access_, who, iova, data, length, flags);
}

static void for_a_process_the_slow_way_looks_before_it_copies(void **state)
{
	char buf[3 * PAGE];
	char *p = pages(4);

	take_faults();
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(user_map_at(0, p, 4 * PAGE), 0);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	/* the usual one stops where it fails */
	assert_int_equal(rw_for(owner, PAGE, buf, 2 * PAGE, IOAS_ACCESS_WRITE), -EFAULT);
	assert_int_equal(p[PAGE], 'x');
	p[PAGE] = 'b';
	assert_int_equal(rw_for(owner, PAGE, buf, 2 * PAGE, IOAS_ACCESS_SLOW | IOAS_ACCESS_WRITE),
			 -EFAULT);
	assert_int_equal(p[PAGE], 'b');
	/* what was mapped to be written must be writable, for reading too, but inside one page */
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	assert_int_equal(rw_for(owner, PAGE, buf, 2 * PAGE, 0), 0);
	assert_int_equal(rw_for(owner, PAGE, buf, 2 * PAGE, IOAS_ACCESS_SLOW), -EFAULT);
	assert_int_equal(rw_for(owner, 2 * PAGE, buf, PAGE, IOAS_ACCESS_SLOW), 0);
	assert_int_equal(buf[0], 'c');
	/* a VMM's own access only asks where the pages are */
	assert_int_equal(rf_access_rw(access_, PAGE, buf, 2 * PAGE, RF_ACCESS_SLOW), 0);
	munmap(p, 4 * PAGE);
}

static void for_another_process_memory_is_reached_the_slow_way(void **state)
{
	struct rf_owner *other = owner_new_self();
	struct rf_pinned_page out[4];
	char buf[2 * PAGE];
	char *p = pages(4);

	take_faults();
	assert_int_equal(user_map_at(0, p, 4 * PAGE), 0);
	assert_int_equal(pin(0, 4 * PAGE, out), 0);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, PAGE, PIN_UNMAP), 1);
	assert_true(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == p);
	*p = 'n';
	/* the program sees its new page, others what is pinned, unless they ask for one page */
	assert_int_equal(rw_for(owner, 0, buf, 2 * PAGE, 0), 0);
	assert_int_equal(buf[0], 'n');
	assert_int_equal(rw_for(other, 0, buf, 2 * PAGE, 0), 0);
	assert_int_equal(buf[0], 'a');
	assert_int_equal(rw_for(other, 0, buf, PAGE, 0), 0);
	assert_int_equal(buf[0], 'n');
	/* a VMM's own access never does */
	assert_int_equal(rf_access_rw(access_, 0, buf, PAGE, RF_ACCESS_SLOW), 0);
	assert_int_equal(buf[0], 'a');
	rf_access_unpin(access_, 0, 4 * PAGE);
	owner_free(other);
	munmap(p, 4 * PAGE);
}

static void bars_are_no_memory_to_be_pinned(void **state)
{
	struct rf_pinned_page out[2];
	char byte;
	char *p = pages(2);

	assert_int_equal(
		owner_add_device_range(owner, (uintptr_t)p + PAGE, PAGE, RF_READ | RF_WRITE), 0);
	assert_int_equal(user_map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(pin(0, PAGE, out), 0);
	rf_access_unpin(access_, 0, PAGE);
	assert_int_equal(pin(0, 2 * PAGE, out), -EFAULT);
	assert_int_equal(rw_for(owner, PAGE, &byte, 1, IOAS_ACCESS_SLOW), -EFAULT);
	assert_int_equal(rw_for(owner, PAGE, &byte, 1, 0), 0);
	owner_del_device_range(owner, (uintptr_t)p + PAGE, PAGE);
	assert_int_equal(pin(0, 2 * PAGE, out), 0);
	rf_access_unpin(access_, 0, 2 * PAGE);
	munmap(p, 2 * PAGE);
}

static void an_access_that_pins_asks_for_pages(void **state)
{
	struct rf_ioas *bytes;
	struct rf_access *other;
	uint64_t iova = 5;
	char *p = pages(1);

	assert_int_equal(ioas_alignment(ioas), PAGE);
	assert_int_equal(ioas_new(&bytes), 0);
	assert_int_equal(user_map_in(bytes, p, 1, RW, true, &iova), 0);
	assert_int_equal(rf_access_attach(access_, bytes), -EADDRINUSE);
	assert_int_equal(ioas_alignment(ioas), PAGE);
	assert_int_equal(rf_access_new(&plain, NULL, &other), 0);
	assert_int_equal(rf_access_attach(other, bytes), 0);
	assert_int_equal(ioas_alignment(bytes), 1);
	assert_int_equal(rf_access_rw(other, 5, &p[1], 1, 0), 0);
	assert_int_equal(p[1], 'a');
	rf_access_free(other);
	rf_ioas_free(bytes);
	assert_int_equal(rf_access_attach(access_, NULL), 0);
	assert_int_equal(ioas_alignment(ioas), 1);
	munmap(p, PAGE);
}

static void moving_to_another_space_asks_for_every_pin(void **state)
{
	struct rf_pinned_page out[2];
	struct rf_ioas *second;
	char *p = pages(2);

	assert_int_equal(ioas_new(&second), 0);
	assert_int_equal(user_map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(pin(0, PAGE, out), 0);
	assert_int_equal(pin(PAGE, PAGE, out), 0);
	holder.iova = PAGE;
	holder.length = PAGE;
	assert_int_equal(rf_access_attach(access_, second), 0);
	assert_int_equal(holder.calls, 1);
	assert_true(holder.first == 0 && holder.last == UINT64_MAX);
	/* and takes what the holder forgot */
	assert_false(pin_any(owner));
	assert_int_equal(pin(0, PAGE, out), -ENOENT);
	assert_int_equal(rf_access_attach(access_, second), 0);
	assert_int_equal(holder.calls, 1);
	/* it holds the space */
	rf_ioas_free(second);
	assert_ptr_equal(ioas_access_space((struct ioas_access *)access_), second);
	munmap(p, 2 * PAGE);
}

static pthread_barrier_t barrier;
static struct rf_access *slow_access;
static atomic_bool asked;

/* Lets go late: while it is being asked it is freed. */
static void let_go_late(void *arg, uint64_t first, uint64_t last)
{
	if (last == UINT64_MAX)
		return;
	pthread_barrier_wait(&barrier);
	usleep(20000);
	rf_access_unpin(slow_access, first, last - first + 1);
	atomic_store(&asked, true);
}

static void *unmap_all(void *arg)
{
	return (void *)(intptr_t)user_unmap(0, UINT64_MAX);
}

static void freeing_waits_until_the_asking_has_ended(void **state)
{
	static const struct rf_access_ops late = { let_go_late };
	struct rf_pinned_page out[1];
	char *p = pages(1);
	pthread_t thread;
	void *ret;

	atomic_store(&asked, false);
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(user_map_at(0, p, PAGE), 0);
	assert_int_equal(rf_access_new(&late, NULL, &slow_access), 0);
	assert_int_equal(rf_access_attach(slow_access, ioas), 0);
	assert_int_equal(rf_access_pin(slow_access, 0, PAGE, out, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, unmap_all, NULL), 0);
	pthread_barrier_wait(&barrier);
	rf_access_free(slow_access);
	assert_true(atomic_load(&asked));
	pthread_join(thread, &ret);
	assert_int_equal((intptr_t)ret, 0);
	pthread_barrier_destroy(&barrier);
	munmap(p, PAGE);
}

static int cut;
static uint64_t cut_unmapped;

/* What is just going away cannot be cut as well. */
static void let_go_and_cut(void *arg, uint64_t first, uint64_t last)
{
	cut = ioas_compat_unmap(ioas, PAGE, PAGE, &cut_unmapped);
	rf_access_unpin(slow_access, first, last - first + 1);
}

static void what_could_not_be_cut_was_not_begun(void **state)
{
	static const struct rf_access_ops cutting = { let_go_and_cut };
	struct rf_pinned_page out[4];
	char *p = pages(4);

	cut = 0;
	cut_unmapped = 77;
	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	assert_int_equal(user_map_at(0, p, 4 * PAGE), 0);
	assert_int_equal(rf_access_new(&cutting, NULL, &slow_access), 0);
	assert_int_equal(rf_access_attach(slow_access, ioas), 0);
	assert_int_equal(rf_access_pin(slow_access, 0, 4 * PAGE, out, 0), 0);
	assert_int_equal(user_unmap(0, 4 * PAGE), 0);
	assert_int_equal(cut, -EBUSY);
	assert_int_equal(cut_unmapped, 77);
	rf_access_free(slow_access);
	munmap(p, 4 * PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_access, drop_access)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pinned_pages_are_told_and_charged),
		TEST(pins_are_refused_as_linux_does),
		TEST(unmap_asks_for_what_is_pinned),
		TEST(a_holder_that_keeps_its_pin_is_a_deadlock),
		TEST(the_librarys_unmap_asks_too),
		TEST(pinned_pages_outlive_the_programs_mapping),
		TEST(copies_go_across_areas_at_any_byte),
		TEST(for_a_process_the_slow_way_looks_before_it_copies),
		TEST(for_another_process_memory_is_reached_the_slow_way),
		TEST(bars_are_no_memory_to_be_pinned),
		TEST(an_access_that_pins_asks_for_pages),
		TEST(moving_to_another_space_asks_for_every_pin),
		TEST(freeing_waits_until_the_asking_has_ended),
		TEST(what_could_not_be_cut_was_not_begun),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
