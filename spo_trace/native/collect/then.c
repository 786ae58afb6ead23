// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * -x: when the capture is complete, or cannot be made, run a command in place of this program, in
 * this process. The command is spo-trace, which started this program in place of itself: while the
 * kernel is read, no Python is in memory. A child collects, so that the command runs even if the
 * child crashes or is killed.
 *
 * spo-trace has blocked the signals that end it, and takes them when it can remove what was
 * written. They are kept pending for it here.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect.h"

/* After SIGTERM, the child removes its files and exits. It could be stuck in the kernel. */
#define SECONDS_TO_EXIT 5

static const int ending[] = { SIGHUP, SIGINT, SIGTERM };

#define ENDINGS (sizeof(ending) / sizeof(*ending))

static void ending_signals(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < ENDINGS; i++)
		sigaddset(set, ending[i]);
}

/* Those that are ignored (nohup, a shell's background) are to stay so. */
static void waited_signals(sigset_t *set)
{
	struct sigaction old;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < ENDINGS; i++)
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(set, ending[i]);
}

/* Wait for the child; return its status. Pass a signal that ends this process on to it. */
static int wait_for(pid_t child, const sigset_t *waited)
{
	struct timespec limit = { SECONDS_TO_EXIT, 0 };
	int status, number = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		int found = number ? sigtimedwait(waited, NULL, &limit) : sigwaitinfo(waited, NULL);

		if (found < 0 && errno == EAGAIN) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			break;
		}
		if (found > 0 && found != SIGCHLD) {
			number = found;
			kill(child, SIGTERM);
		}
	}
	/* It is blocked: the command gets it. */
	if (number)
		raise(number);
	return status;
}

static _Noreturn void run(char **command, int status)
{
	struct lines text = { 0 };

	put_number(&text, status);
	text.text[text.used] = 0;
	if (setenv("SPO_COLLECT_STATUS", text.text, 1) == 0)
		execv(*command, command);
	die(*command, " cannot be started: ", strerror(errno));
}

/* Return in the child, which is to collect; its messages go to the descriptor of -e. */
void collect_in_child(const struct options *options)
{
	pid_t parent = getpid(), child;
	sigset_t ended, waited;

	ending_signals(&ended);
	waited_signals(&waited);
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ended, NULL);
	child = fork();
	if (child < 0)
		die("no process: ", strerror(errno), "");
	if (child > 0) {
		int status = wait_for(child, &waited);

		sigemptyset(&ended);
		sigaddset(&ended, SIGCHLD);
		sigprocmask(SIG_UNBLOCK, &ended, NULL);
		run(options->command, status);
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_UNBLOCK, &ended, NULL);
	/* The capture is in a directory of spo-trace, which has owners of its own. */
	unsetenv("SUDO_UID");
	if (options->messages >= 0)
		dup2(options->messages, STDERR_FILENO);
}
