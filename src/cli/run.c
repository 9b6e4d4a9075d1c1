/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringfence run: make a session, run one program in it, report, remove it.
 *
 * Everything that can be wrong with the command line is found before anything
 * is made: the machine is built once here, with its models, only to see that
 * it can be. The program builds it again in its own process.
 *
 * While the program runs this process only waits. Signals are blocked and
 * fetched one by one, so none is lost between a check and a wait: those that
 * somebody sends to us go on to the program; those that the terminal sends
 * reach the program anyway. Either way the session is removed afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/load.h"
#include "machine/machine.h"
#include "machine/session.h"

static const char help[] =
	"usage: ringfence run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"\n"
	"Run a program on a machine with modelled devices. The program finds them in\n"
	"/sys/bus/pci/devices and opens them through /dev/vfio.\n"
	"\n"
	"options:\n"
	"  --device MODEL[,addr=BDF][,group=N][,driver=NAME][,NAME=VALUE]...\n"
	"                  add a device; the first lies at 0000:01:00.0, the next at\n"
	"                  0000:02:00.0, ...; MODEL is a name ('ringfence devices'\n"
	"                  lists them) or the path of a shared object; write a comma\n"
	"                  within a value twice\n"
	"  --machine FILE  read the machine from a file: see ringfence-machine(5)\n"
	"  --quiet         no summary at the end\n"
	"  --keep          keep the session directory and say where it is\n"
	"  --session DIR   run in a session that was kept, instead of a new one\n"
	"  --help          show this\n"
	"\n"
	"The exit status is the program's, 128 + N when signal N killed it, or 2 when\n"
	"it could not be run.\n";

static const struct option known[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "machine", required_argument, NULL, 'm' },
	{ "session", required_argument, NULL, 's' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "keep", no_argument, NULL, 'k' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/**
 * struct run - one invocation
 * @session: the session's directory, once there is one
 * @joined: it was there before us
 */
struct run {
	struct load load;
	bool quiet;
	bool keep;
	bool joined;
	char **argv;
	struct program program;
	char *session;
};

/* 0 to go on, -1: help was shown, or EXIT_WRONG. */
static int parse_options(struct run *run, int argc, char **argv)
{
	int opt;

	run->argv = argv;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", known, NULL)) != -1) {
		switch (opt) {
		case 'd':
			if (load_add_device(&run->load, "run", optarg))
				return EXIT_WRONG;
			break;
		case 'm':
			if (run->load.machine_file)
				return complain("run: --machine is given twice");
			run->load.machine_file = optarg;
			break;
		case 's':
			free(run->session);
			run->session = realpath(optarg, NULL);
			if (!run->session)
				return complain("run: session %s: %s", optarg, strerror(errno));
			run->joined = true;
			break;
		case 'q':
			run->quiet = true;
			break;
		case 'k':
			run->keep = true;
			break;
		case 'h':
			fputs(help, stdout);
			return -1;
		default:
			return complain_option("run", argv, opt, known);
		}
	}
	if (optind == argc)
		return complain("run: no program is named; see 'ringfence run --help'");
	if (run->joined && (run->load.nr_devices || run->load.machine_file))
		return complain("run: --session has its machine; --device and --machine cannot "
				"change it");
	run->argv += optind;
	return 0;
}

static int find_program(struct run *run)
{
	const char *name = run->argv[0];
	int ret = program_find(name, &run->program);

	if (ret == -ENOENT)
		return complain("%s: no such program", name);
	if (ret)
		return complain("%s: %s", name, strerror(-ret));
	if (!run->program.dynamic)
		complain("%s is statically linked: it will not see the machine", name);
	return 0;
}

/* A session for the machine asked for, or a look at the one to join. */
static int open_session(struct run *run)
{
	struct rf_machine *machine;
	char *error = NULL;
	int ret;

	if (run->joined)
		ret = session_machine(run->session, &machine, &error);
	else if (load_machine(&run->load, &machine))
		return EXIT_WRONG;
	else
		ret = session_create(machine, &run->session, &error);
	if (ret)
		complain("%s", error ?: strerror(-ret));
	if (!ret || !run->joined)
		rf_machine_free(machine);
	free(error);
	return ret ? EXIT_WRONG : 0;
}

/* LD_PRELOAD: a sanitizer's library, ours, and what was there. */
static int set_environment(const struct run *run)
{
	char *ours = preload_find(), *sanitizer = NULL, *list = NULL;
	const char *before = getenv("LD_PRELOAD");
	int ret = 0;

	if (!ours)
		return complain("libringfence-preload.so is not where it was installed");
	if (strpbrk(ours, " :")) {
		ret = complain("%s: the dynamic loader cannot preload a path with a blank or a "
			       "colon in it",
			       ours);
		goto out;
	}
	sanitizer =
		run->program.sanitizer ? strdup(run->program.sanitizer) : program_sanitizer(ours);
	if (asprintf(&list, "%s%s%s%s%s", sanitizer ?: "", sanitizer ? ":" : "", ours,
		     before && *before ? ":" : "", before ?: "") < 0) {
		list = NULL;
		ret = complain("%s", strerror(ENOMEM));
		goto out;
	}
	if (setenv("LD_PRELOAD", list, 1) || setenv(SESSION_ENV, run->session, 1))
		ret = complain("%s", strerror(errno));
out:
	free(list);
	free(sanitizer);
	free(ours);
	return ret;
}

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };

/* Those to wait for: the child's end, and what nobody told us to ignore. */
static void watched_signals(sigset_t *set)
{
	struct sigaction action;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
		if (!sigaction(forwarded[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(set, forwarded[i]);
}

/* Pass signals on until the program ends; its status as of waitpid(). */
static int wait_for(pid_t pid, const sigset_t *set)
{
	siginfo_t info;
	int status;

	for (;;) {
		int sig = sigwaitinfo(set, &info);

		if (sig == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
			return status;
		/* SI_KERNEL: the terminal's, which the program gets as well */
		if (sig > 0 && sig != SIGCHLD && info.si_code != SI_KERNEL)
			kill(pid, sig);
	}
}

/* 0 with the program's *status as of waitpid(), or EXIT_WRONG when it could not be executed. */
static int execute(const struct run *run, int *status)
{
	sigset_t watched, before;
	int report[2], err = 0;
	sighandler_t pipe_before;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return complain("%s", strerror(errno));
	signal(SIGCHLD, SIG_DFL); /* ignored, it would leave us nothing to wait for */
	watched_signals(&watched);
	sigprocmask(SIG_BLOCK, &watched, &before);
	/* whoever reads our summary may go away; the session must still be removed */
	pipe_before = signal(SIGPIPE, SIG_IGN);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* without us there is no session: nobody survives in a ruin */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, pipe_before);
		sigprocmask(SIG_SETMASK, &before, NULL);
		execvp(run->program.path, run->argv);
		err = errno;
		if (write(report[1], &err, sizeof(err)) < 0)
			_exit(EXIT_WRONG);
		_exit(EXIT_WRONG);
	}
	if (pid < 0)
		err = errno;
	close(report[1]);
	if (pid > 0)
		*status = wait_for(pid, &watched);
	if (pid > 0 && read(report[0], &err, sizeof(err)) != sizeof(err))
		err = 0;
	close(report[0]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (err)
		return complain("%s: cannot be executed: %s", run->argv[0], strerror(err));
	return 0;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_in_session(const struct run *run)
{
	struct stats total;
	int ret, status = 0;
	double start;

	ret = set_environment(run);
	if (ret)
		return ret;
	start = seconds_now();
	ret = execute(run, &status);
	if (ret)
		return ret;
	if (!run->quiet && !session_sum(run->session, &total))
		summary_print(&total, run->argv[0], status, seconds_now() - start);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cmd_run(int argc, char **argv)
{
	struct run run = { 0 };
	int status = parse_options(&run, argc, argv);

	if (!status)
		status = find_program(&run);
	if (!status)
		status = open_session(&run);
	if (!status) {
		int held = -1;

		if (!run.joined) {
			held = session_hold(run.session);
			session_sweep(run.session);
		}
		status = run_in_session(&run);
		if (run.keep && !run.joined) {
			session_keep(run.session);
			fprintf(stderr, "ringfence: the session is kept in %s\n", run.session);
		} else if (!run.joined) {
			session_remove(run.session);
		}
		if (held >= 0)
			close(held);
	}
	program_release(&run.program);
	free(run.session);
	return status < 0 ? 0 : status;
}
