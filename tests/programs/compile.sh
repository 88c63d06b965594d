#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job: gcc and make build real programs in /tmp, which are then run; git keeps them.
. "$(dirname "$0")/lib.sh"

# A program of several files, with a makefile.
project='
mkdir -p src obj
cat >src/list.h <<END
struct node { int value; struct node *next; };
struct node *push(struct node *head, int value);
int sum(const struct node *head);
void drop(struct node *head);
END
cat >src/list.c <<END
#include <stdlib.h>
#include "list.h"
struct node *push(struct node *head, int value)
{
	struct node *n = malloc(sizeof(*n));
	n->value = value;
	n->next = head;
	return n;
}
int sum(const struct node *head) { return head ? head->value + sum(head->next) : 0; }
void drop(struct node *head) { while (head) { struct node *n = head->next; free(head); head = n; } }
END
cat >src/work.c <<END
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double total;
static void *part(void *arg)
{
	double s = 0;
	for (long i = 1; i < 200000; i++)
		s += sqrt(i) * (long)arg;
	pthread_mutex_lock(&lock);
	total += s;
	pthread_mutex_unlock(&lock);
	return arg;
}
double work(int threads)
{
	pthread_t t[16];
	for (long i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, part, (void *)(i + 1));
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return total;
}
END
cat >src/main.c <<END
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "list.h"
double work(int threads);
int main(int argc, char **argv)
{
	struct node *l = NULL;
	for (int i = 0; i < 100; i++)
		l = push(l, i);
	printf("%d arguments, sum %d, work %.0f\n", argc - 1, sum(l), work(4));
	drop(l);
	fflush(stdout);
	pid_t p = fork();
	if (!p)
		_exit(execl("/bin/echo", "echo", "from a child", NULL));
	int status;
	waitpid(p, &status, 0);
	printf("%d %s\n", status, strerror(ENOENT));
	return argc;
}
END
cat >Makefile <<END
CFLAGS = -O2 -g -Wall
objects = obj/list.o obj/work.o obj/main.o
program: \$(objects)
	\$(CC) -o \$@ \$(objects) -lm -pthread
obj/%.o: src/%.c src/list.h
	\$(CC) \$(CFLAGS) -c \$< -o \$@
check: program
	@./program a b; test \$\$? = 3 && echo checked
clean:
	rm -f program obj/*.o
.PHONY: check clean
END
'

need gcc || finish
# shellcheck disable=SC2034 # lib.sh reads it
seconds=120
compare 'gcc: version' 'gcc --version; gcc -dumpmachine; gcc -print-search-dirs | head -n 1'
compare 'gcc: hello' 'echo "#include <stdio.h>
int main(void) { puts(\"hello\"); return 4; }" >h.c; gcc h.c -o h && ./h; echo $?; ls'
compare 'gcc: steps' "$project"'gcc -E src/list.c | tail -n 5; gcc -S -O2 src/list.c -o - | grep -c push; gcc -c -O1 src/list.c -o l.o; nm l.o; size l.o | tail -n 1; objdump -d l.o | md5sum; ar rcs l.a l.o; ar t l.a; strip l.o; md5sum l.o'
compare 'gcc: many files, run' "$project"'gcc -O2 src/*.c -o program -lm -pthread && ./program x; echo $?'
compare 'gcc: static' "$project"'gcc -O2 -static src/*.c -o program -lm -pthread && ./program x; echo $?'
compare 'gcc: static-pie, no-pie, shared library' "$project"'gcc -static-pie src/*.c -o p -lm && ./p; gcc -no-pie src/*.c -o p -lm && ./p 1; gcc -shared -fPIC src/list.c -o liblist.so; gcc src/work.c src/main.c -L. -llist -lm -Wl,-rpath,$T -o p && ./p 1 2; ldd p | grep -c list; LD_LIBRARY_PATH=. LD_BIND_NOW=1 ./p'
compare 'gcc: pipe and input from a pipe' 'echo "int main(void){return 11;}" | gcc -pipe -x c - -o p && ./p; echo $?'
compare 'gcc: errors' 'echo "int main(void){ return x; }" >e.c; gcc e.c; echo $?; gcc nothing.c; echo $?; echo "int f(void); int main(void){return f();}" >u.c; gcc u.c 2>&1 | grep -c undefined'
compare 'gcc: optimised and sanitised' 'echo "#include <string.h>
#include <stdio.h>
int main(int c, char **v) { char b[8]; memset(b, c, 8); printf(\"%d\\\\n\", b[7]); return 0; }" >a.c; gcc -O3 -march=x86-64-v2 -flto a.c -o a && ./a; gcc -fsanitize=undefined a.c -o a && ./a'
compare 'gcc: asan' 'echo "#include <stdlib.h>
int main(void) { char *p = malloc(10); p[0] = 1; free(p); return p == 0; }" >a.c; gcc -fsanitize=address a.c -o a && ASAN_OPTIONS=detect_leaks=0 ./a; echo $?'
compare 'gcc: a program that crashes' 'echo "int main(void) { return *(volatile int *)8; }" >c.c; gcc c.c -o c; ./c; echo $?; echo "int main(void) { __builtin_trap(); }" >c.c; gcc c.c -o c; ./c; echo $?; echo "#include <stdlib.h>
int main(void) { abort(); }" >c.c; gcc c.c -o c; ./c; echo $?; echo "int z; int main(void) { return 5 / z; }" >c.c; gcc c.c -o c; ./c; echo $?' 
compare 'g++: hello' 'command -v g++ >/dev/null || exit 0; echo "#include <iostream>
#include <thread>
#include <vector>
#include <map>
int main() { std::map<int, int> m; std::vector<std::thread> t; int r[4]; for (int i = 0; i < 4; i++) t.emplace_back([&r, i] { r[i] = i * i; }); for (auto &x : t) x.join(); for (int i : r) m[i]++; for (auto &p : m) std::cout << p.first << std::endl; try { throw 5; } catch (int e) { return e; } }" >h.cc; g++ -O1 h.cc -o h -pthread && ./h; echo $?'
if need make; then
	compare 'make' "$project"'make && make && make check; make clean; ls obj'
	compare 'make -j2' "$project"'make -j2 >log; sort log; ./program; touch -d "2001-01-01" program; make -n | tail -n 1; make -s -j2 check'
	compare 'make -j4 of many rules' 'for i in $(seq 60); do echo "f$i: ; @sleep 0.01; echo $i >f$i"; done >rules; (echo "all: $(seq -s " " -f f%g 60)"; cat rules) >Makefile; make -j4 && cat f* | sort -n | md5sum'
	compare 'make: errors' 'printf "a: b\n\techo a\nb:\n\t@false\n" >Makefile; make; echo $?; make -k; echo $?; make -f none; echo $?; printf "a:\n\t@kill -9 \$\$\$\$\n" >Makefile; make; echo $?; printf "x = \$(shell seq 3)\nall:\n\t@echo \$(x) \$(wildcard /usr/b*)\n\t@\$(MAKE) -s -f Makefile sub\nsub:\n\t@echo sub\n" >Makefile; make --no-print-directory'
fi
if need musl-gcc; then
	compare 'musl: static with threads' "$project"'cat >spec.c <<END
#include <stdio.h>
#include <unistd.h>
int main(void) { char b[100]; printf("%zd\n", read(0, b, 100)); fflush(stdout); return write(1, "musl\n", 5); }
END
musl-gcc -static -O2 spec.c -o s && ./s; echo $?; musl-gcc -static -O2 src/*.c -o p && ./p 1; echo $?; musl-gcc -O2 src/*.c -o d && ./d 1 2; echo $?'
fi
if need git; then
	compare 'git: init, commit, log' 'export GIT_AUTHOR_DATE="2020-01-01 00:00:00 +0000" GIT_COMMITTER_DATE="2020-01-01 00:00:00 +0000" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_PAGER=cat
git init -q -b main r; cd r; cp /usr/include/asm-generic/*.h .; git add . && git commit -q -m one; git rev-parse HEAD; seq 100 >n; git add n; git commit -q -m two; git log --oneline --stat | tail -n 3; git checkout -q -b side HEAD~1; echo x >y; git add y; git commit -q -m three; git checkout -q main; git merge -q side -m merged; git log --format=%s; git status --short; git diff HEAD~1 --stat; git gc -q; git fsck; cd ..; git clone -q r c 2>/dev/null; cd c; git rev-parse HEAD; git grep -c define | sort | tail -n 3; git archive HEAD | md5sum; git stash list; sed -i s/5/y/ n; git diff; git bisect start >/dev/null; git tag v1; git describe --tags'
fi
need gdb && compare 'gdb: version only' 'gdb -nx --version | head -n 1'
finish
