/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way into the engine, for calls of the program that may take its locks.
 *
 * Between engine_enter() and engine_leave() no handler of the program runs in
 * the thread, and nobody cancels it: either could come while a lock is taken, and
 * want the same one. A signal that arrives meanwhile waits, as it would for a
 * system call that does not sleep; see signals_relay.c. All of it costs no
 * system call unless one did arrive.
 *
 * Handlers of SIGSEGV and SIGBUS, which are ours, and models run by them need none
 * of this: everything else is blocked there.
 */
#ifndef RF_INTERPOSE_ENTER_H
#define RF_INTERPOSE_ENTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/**
 * struct engine_thread - where a thread is
 * @depth: entries it has not left
 * @cancel_state: its cancellation state outside
 * @cancel_type: and the type
 * @held: signals that arrived inside, one bit each from bit 0 for signal 1
 */
struct engine_thread {
	unsigned depth;
	int cancel_state;
	int cancel_type;
	uint64_t held;
};

extern __thread struct engine_thread engine_thread __attribute__((tls_model("initial-exec")));

/* Let the program have what arrived inside. errno stays. */
void engine_deliver(void);

/*
 * Both the state and the type: a cancellation that was sent just before the state
 * changed is acted upon all the same by some C libraries, if the type allows it.
 */
static inline void engine_enter(void)
{
	int state, type;

	if (!engine_thread.depth) {
		/* A handler that comes between these enters and leaves by itself. */
		pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
		engine_thread.depth = 1;
		atomic_signal_fence(memory_order_seq_cst);
		engine_thread.cancel_state = state;
		engine_thread.cancel_type = type;
		return;
	}
	engine_thread.depth++;
}

static inline void engine_leave(void)
{
	int state = engine_thread.cancel_state, type = engine_thread.cancel_type;

	atomic_signal_fence(memory_order_seq_cst);
	if (--engine_thread.depth)
		return;
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(engine_thread.held != 0, 0))
		engine_deliver();
	if (state == PTHREAD_CANCEL_ENABLE)
		pthread_setcancelstate(state, NULL);
	if (__builtin_expect(type != PTHREAD_CANCEL_DEFERRED, 0))
		pthread_setcanceltype(type, NULL);
}

/* What a call of the engine comes to. */
#define ENGINE_VALUE(call)                 \
	({                                 \
		__typeof__(call) entered_; \
                                           \
		engine_enter();            \
		entered_ = (call);         \
		engine_leave();            \
		entered_;                  \
	})

/* One that answers with a negative errno, as libc returns. */
#define ENGINE_CALL(call) ((int)result(ENGINE_VALUE(call)))

#endif
