#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What developers run: packages installed by npm and pip, ruby, editors and pagers in a terminal, git on a big tree, a
# database under two writers, copies of many files. HUSK_EXTRA: of 100,000 files.
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
seconds=120

if need npm node; then
compare 'npm: installs a local package' 'export npm_config_cache=$T/cache npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false npm_config_offline=true
mkdir -p lib/bin app
cat >lib/package.json <<END
{ "name": "local-lib", "version": "1.2.3", "main": "index.js", "bin": { "local-tool": "bin/tool.js" }, "scripts": { "postinstall": "echo done >installed" } }
END
echo "module.exports = n => n * 7;" >lib/index.js
printf "#!/usr/bin/env node\nconsole.log(require(\"..\")(Number(process.argv[2])));\n" >lib/bin/tool.js
echo "{ \"name\": \"app\", \"version\": \"1.0.0\", \"scripts\": { \"test\": \"local-tool 6\" } }" >app/package.json
(cd lib && npm pack --silent)
cd app
npm install --no-progress --loglevel=error ../lib/local-lib-1.2.3.tgz >out; echo $?; sed "s/ in .*//" out; rm out
npm test --silent; npm ls; node -e "console.log(require(\"local-lib\")(3))"; find . -type f -o -type l | sort
cat node_modules/local-lib/installed; npm uninstall --no-progress --loglevel=error local-lib | sed "s/ in .*//"; ls node_modules 2>/dev/null; cat package.json'
fi

if need python3; then
compare 'pip: a wheel into a virtual environment' 'python3 -m venv v || exit 9
mkdir -p w/thing w/thing-1.0.dist-info
echo "def main(): print(\"the thing runs\")" >w/thing/__init__.py
printf "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n" >w/thing-1.0.dist-info/METADATA
printf "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n" >w/thing-1.0.dist-info/WHEEL
printf "[console_scripts]\nthing = thing:main\n" >w/thing-1.0.dist-info/entry_points.txt
printf "thing/__init__.py,,\nthing-1.0.dist-info/METADATA,,\nthing-1.0.dist-info/WHEEL,,\nthing-1.0.dist-info/entry_points.txt,,\nthing-1.0.dist-info/RECORD,,\n" >w/thing-1.0.dist-info/RECORD
(cd w && python3 -m zipfile -c ../thing-1.0-py3-none-any.whl thing thing-1.0.dist-info)
export PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
v/bin/pip install -q thing-1.0-py3-none-any.whl; echo $?
v/bin/thing; v/bin/pip list --format=freeze | grep thing; (cd v/lib/python3*/site-packages && find thing* -type f | sort)
v/bin/python -m compileall -q v/lib/python3*/site-packages/thing; v/bin/pip uninstall -q -y thing; v/bin/thing 2>/dev/null; echo $?'
fi

if need ruby; then
compare 'ruby: files, processes, threads' 'cat >s.rb <<END
require "fileutils"
require "tmpdir"
require "json"
FileUtils.mkdir_p("a/b"); File.write("a/b/f", "x" * 5000); FileUtils.ln_s("f", "a/b/l"); FileUtils.cp_r("a", "c")
puts Dir.glob("**/*").sort.inspect, File.readlink("c/b/l"), File.size("c/b/l"), File.stat("c/b/f").mode.to_s(8)
File.open("log", "a+") { |f| f.flock(File::LOCK_EX); f.puts "one"; f.rewind; puts f.read }
r, w = IO.pipe
pid = fork { r.close; w.puts({ n: [1, 2, nil] }.to_json); exit! 3 }
w.close; puts JSON.parse(r.read).inspect; Process.wait(pid); puts \$?.exitstatus
q = Queue.new; t = 4.times.map { |i| Thread.new { 100.times { |j| q << i * j } } }; t.each(&:join); puts q.size
puts %x(echo from a shell), \$?.success?, IO.popen(["sort", "-r"], "r+") { |p| p.puts "a", "b"; p.close_write; p.read }
trap("USR1") { puts "caught" }; Process.kill("USR1", Process.pid); sleep 0.01
Dir.mktmpdir { |d| puts File.directory?(d) }; begin; File.read("none"); rescue => e; puts e.class, e.message; end
FileUtils.rm_r("c"); FileUtils.mv("a", "z"); puts Dir.children("z").inspect, File.exist?("a"); puts [3, 1].sort.inspect; exit 4
END
ruby s.rb; echo $?; ruby -ne "print if /root/" /etc/passwd; ruby -e "puts RUBY_ENGINE; raise %(no)" 2>&1 | grep -c no'
fi

# drive.py SECONDS COMMAND...: in a terminal of 24 lines; then, by lines of standard input, waits for a text and sends keys.
drive='cat >drive.py <<"END"
import os, pty, re, select, sys, termios, struct, fcntl, signal
signal.alarm(60)
pid, fd = pty.fork()
if not pid:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.environ["TERM"] = "ansi"
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
for step in sys.stdin.read().split("\n"):
    if not step:
        continue
    text, keys = step.split("\t")
    while text.encode() not in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", seen):
        seen += os.read(fd, 4096)
    print("seen", text)
    seen = b""
    os.write(fd, keys.encode().decode("unicode_escape").encode())
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
'
if need vim python3; then
compare 'vim in a terminal' "$drive"'seq -f "line %g" 200 >f; export HOME=$T
printf "line 20\t50GAadded\\\\x1b\nadded\t:%%s/line 1/LINE 1/g\\\\r\nLINE 1\tggdd:w\\\\r\n199L\t:r !echo from a shell\\\\r\nfrom a shell\t:wq\\\\r\n" | sed "s/^199L/written/" | python3 drive.py vim -u NONE -i NONE -N -c "set nomore" f
md5sum f; head -n 3 f; grep -c LINE f; sed -n 49p f; ls -A'
compare 'vim without a terminal' 'seq 100 >f; vim -u NONE -i NONE -es -c "%s/5/five/g" -c "g/1/d" -c wq f; echo $?; md5sum f; vim -u NONE -i NONE -es -c "r /etc/passwd" -c "1d" -c "w g" -c "qa!" </dev/null; cmp g /etc/passwd && echo same'
fi
if need less python3; then
compare 'less in a terminal' "$drive"'seq -f "line %g" 5000 >f; export HOME=$T LESSHISTFILE=-
printf "line 20\tG\nline 5000\t?line 77$\\\\r\nline 77\tg\nline 1\t/4321\\\\r\nline 4321\tq\n" >steps
python3 drive.py less f <steps; less f | md5sum; printf "a\033[1mb\n" | less -R | od -c | head -n 2'
fi

if need git; then
compare 'git: status, clone and gc of a big tree' 'export GIT_AUTHOR_DATE="@1000000000 +0000" GIT_COMMITTER_DATE="@1000000000 +0000" GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e GIT_CONFIG_NOSYSTEM=1; git config --global init.defaultBranch main
mkdir r; cd r; git init -q; for d in $(seq 50); do mkdir -p d$d/s; for f in $(seq 100); do echo "$d $f"; done | split -l 1 -a 3 - d$d/s/f; done
git add .; git commit -qm all; git rev-parse HEAD; git status --short | wc -l
for d in 3 30; do echo changed >>d$d/s/faab; rm d$d/s/faac; echo new >d$d/new; done; git mv d7 seven; git status --short | sort | md5sum; git add -A; git commit -qm second; git log --stat --oneline | tail -n 3
git gc -q; git fsck --no-progress; git count-objects -v | grep -e ^count -e in-pack; cd ..; git clone -q r c; cd c; git rev-parse HEAD; git ls-files | wc -l; git status --short; git checkout -q HEAD~1; ls | wc -l; git checkout -q main; git clean -ndx; git grep -l "^50 " | wc -l; git archive HEAD | md5sum'
fi

if need sqlite3; then
compare 'sqlite3: 100,000 inserts by two writers' 'sqlite3 db "pragma journal_mode=wal; create table t(w, n)" >/dev/null
writer() { { echo ".timeout 60000"; for b in $(seq 100); do echo "begin immediate;"; seq -f "insert into t values($1, %.0f);" $((b * 500 - 499)) $((b * 500)); echo "commit;"; done; } | sqlite3 db; }
writer 1 & writer 2 & wait; sqlite3 db "select w, count(*), sum(n), max(n) from t group by w order by w; pragma integrity_check; pragma wal_checkpoint(truncate); pragma journal_mode=delete"; ls; stat -c %s db'
fi

files=5000
# shellcheck disable=SC2034 # lib.sh's
# shellcheck disable=SC2034
[ -z "${HUSK_EXTRA:-}" ] || files=100000 seconds=600
compare "cp -a of a tree of $files files" "n=$((files / 100)); "'for d in $(seq $n); do mkdir -p t/$((d % 10))/d$d; (cd t/$((d % 10))/d$d && seq 100 | split -l 1 -a 3 - f); done; ln t/1/d1/faaa t/1/hard; ln -s ../1 t/2/link; mkfifo t/3/p; chmod 640 t/4/d4/faab; touch -d @1000000000 t/5/d5
show() { (cd $1 && find . -type d -printf "%P %y %m %n\n" -o -printf "%P %y %m %n %s %l\n") | sort | md5sum; }
cp -a t u; diff -r --no-dereference t u | grep -v fifo; show t; show u; stat -c %Y u/5/d5; find u -name "faac" | wc -l; tar c u | tar t | wc -l; mv u v; rm -r t; chmod -R go-rwx v; find v -perm /077 ! -type l | wc -l; rm -r v; ls'
finish
