#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libseccomp's own regression programs as a second oracle for husk's BPF engine. TAP.

Their source is what Debian has (tools/debian-source); nothing of it is kept here. Each of its simulator tests is a program
that writes a filter, and lines that say which verdict a call gets. All of husk's engines must give those verdicts
(tests/extra/verdicts.c), and `husk filter run` the same as libseccomp's simulator for random calls as well.

    HUSK   the binary   BUILD   where the sources are and where this builds
"""
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HUSK = os.environ.get("HUSK", os.path.join(TOP, "build", "husk"))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
SEED = int(os.environ.get("SEED", "1"))

# Little-endian architectures by libseccomp's names: filters for others are written in another byte order.
ARCHES = {
    "x86": 0x40000003, "x86_64": 0xc000003e, "x32": 0xc000003e, "arm": 0x40000028, "aarch64": 0xc00000b7,
    "mipsel": 0x40000008, "mipsel64": 0xc0000008, "mipsel64n32": 0xe0000008, "ppc64le": 0xc0000015,
    "riscv64": 0xc00000f3,
}
NATIVE = "x86_64"
UNSTOPPABLE = (335, 336)  # uretprobe and uprobe pass every filter on Linux, which libseccomp 2.5 does not know
BITS_32 = {"x86", "x32", "arm", "mipsel", "mipsel64n32"}

cases = failures = 0


def report(held, name, lines=()):
    global cases, failures
    cases += 1
    failures += not held
    print(f"{'ok' if held else 'not ok'} {cases} - {name}")
    for line in lines:
        print(f"# {line}")
    sys.stdout.flush()


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(77)


def build(source):
    """husk's engines as a program; the simulator, the resolver of names, and the programs of the simulator's tests."""
    def compile(out, *files):
        subprocess.run(["gcc", "-w", "-O1", "-D_GNU_SOURCE", "-o", out, *files, "-lseccomp"], cwd=source, check=True)

    subprocess.run(["gcc", "-O2", "-std=gnu17", "-D_GNU_SOURCE=", "-fno-strict-aliasing", f"-I{TOP}/src", f"-I{TOP}/src/kernel",
                    "-o", f"{source}/verdicts", f"{TOP}/tests/extra/verdicts.c", *glob.glob(f"{TOP}/src/kernel/bpf/*.c"),
                    f"{TOP}/src/base/bug.c", f"{TOP}/src/base/text.c"], check=True)
    for tool in ("scmp_bpf_sim", "scmp_sys_resolver"):
        compile(f"tools/{tool}", f"tools/{tool}.c", "tools/util.c")
    for program in sorted(glob.glob(f"{source}/tests/[0-9]*-sim-*.c")):
        compile(program[:-2], program, f"{source}/tests/util.c")


def lines_of(path):
    """The lines of the parts for the simulator."""
    kind = None
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if line.startswith("test type:"):
                kind = words[-1]
            elif words and not line.startswith("#") and kind == "bpf-sim":
                yield words


def arches_of(text):
    """As the field Arch means it: the native one by its own name, others with a plus, less those with a minus."""
    wanted, unwanted = [], set()
    groups = {"le": set(ARCHES), "32": BITS_32, "64": set(ARCHES) - BITS_32, "be": set()}
    for word in text.split(","):
        sign, name = (word[0], word[1:]) if word[0] in "+-" else ("", word)
        if name == "all":
            wanted.append(NATIVE)
        elif name.startswith("all_"):
            group = groups[name[4:]]
            wanted += sorted(group) if sign == "+" else [a for a in [NATIVE] if a in group]
        elif sign == "-":
            unwanted.add(name)
        elif sign == "+" or name == NATIVE:
            wanted.append(name)
    return [a for a in dict.fromkeys(wanted) if a in ARCHES and a not in unwanted]


def span(text):
    """'3', '0x10-0x20', 'N': the values."""
    if text == "N":
        return [None]
    low, dash, high = text.partition("-")
    if not dash or not low:
        return [int(text, 0)]
    return range(int(low, 0), int(high, 0) + 1)


class Engines:
    def __init__(self, source, directory):
        self.source, self.directory, self.numbers = source, directory, {}

    def number(self, arch, name):
        """Of a call, or None when the architecture has none."""
        if (arch, name) not in self.numbers:
            out = subprocess.run([f"{self.source}/tools/scmp_sys_resolver", "-a", arch, "-t", name],
                                 capture_output=True, text=True, check=False)
            self.numbers[arch, name] = int(out.stdout) if out.returncode == 0 else None
        return self.numbers[arch, name]

    def filter_of(self, program):
        path = os.path.join(self.directory, program)
        # It writes to its standard output or, from some version on, to descriptor 4.
        with open(path, "wb") as f:
            fd = os.dup2(f.fileno(), 4)
            out = subprocess.run([f"{self.source}/tests/{program}", "-b"], stdout=f, pass_fds=[fd], check=False)
        return path if out.returncode == 0 else None

    def verdicts(self, path, calls):
        """Of all engines on a list of calls."""
        text = "".join(f"{signed(ARCHES[a], 32)} {signed(nr, 32)} {' '.join(str(signed(v or 0, 64)) for v in args)}\n"
                       for a, nr, args in calls)
        out = subprocess.run([f"{self.source}/verdicts", path], input=text, capture_output=True, text=True, check=False)
        return [word if word == "differ" else name_of(int(word)) for word in out.stdout.split()]

    def husk(self, path, arch, nr, args):
        out = subprocess.run([HUSK, "filter", "run", "--arch", hex(ARCHES[arch]), path, str(nr % (1 << 32)),
                              *(str((a or 0) % (1 << 64)) for a in args)], capture_output=True, text=True, check=False)
        return plain(out.stdout.split("\n", 1)[0]) if out.returncode == 0 else out.stderr.strip()

    def simulator(self, path, arch, nr, args):
        words = [w for i, a in enumerate(args) if a is not None for w in (f"-{i}", str(a))]
        out = subprocess.run([f"{self.source}/tools/scmp_bpf_sim", "-a", arch, "-f", path, "-s", str(nr), *words],
                             capture_output=True, text=True, check=False)
        return out.stdout.strip() if out.returncode == 0 else f"status {out.returncode}"


def signed(value, bits):
    value %= 1 << bits
    return value - (1 << bits) if value >> (bits - 1) else value


def name_of(verdict):
    """As libseccomp's simulator names it."""
    action, data = verdict & 0xffff0000, verdict & 0xffff
    return {0x80000000: "KILL_PROCESS", 0: "KILL", 0x30000: "TRAP", 0x50000: f"ERRNO({data})",
            0x7ff00000: f"TRACE({data})", 0x7ffc0000: "LOG", 0x7fff0000: "ALLOW"}.get(action, hex(verdict))


def plain(verdict):
    """husk's word for a verdict as libseccomp's simulator has it."""
    verdict = {"KILL_THREAD": "KILL"}.get(verdict, verdict)
    return "TRAP" if verdict.startswith("TRAP") else verdict


def expand(engines, words):
    """The calls that one line stands for: architecture, number, arguments."""
    for arch in arches_of(words[1]):
        if words[2][0].isdigit() or words[2][0] == "-":
            numbers = span(words[2]) if words[2][0] != "-" else [int(words[2], 0)]
        else:
            numbers = [engines.number(arch, words[2])]
        for nr in numbers:
            if nr is None:
                continue
            combinations = [[]]
            for field in words[3:9]:
                combinations = [c + [v] for c in combinations for v in span(field)]
            for args in combinations:
                yield arch, nr, args


def try_lines(engines, path, lines):
    cases = [(call, words[9]) for words in lines for call in expand(engines, words)
             if call[0] != NATIVE or call[1] not in UNSTOPPABLE]
    got = engines.verdicts(path, [call for call, _ in cases])
    bad = [f"{call}: {g}, not {want}" for (call, want), g in zip(cases, got) if g != want]
    if len(got) != len(cases):
        bad.append(f"{len(got)} verdicts on {len(cases)} calls")
    return bad, len(cases)


def try_random(engines, path, lines, rnd, times):
    """Numbers and arguments that the filter knows, and others."""
    bad = []
    known = sorted({(a, n) for w in lines for a, n, _ in expand(engines, w)}) or [(NATIVE, 0)]
    values = [v for w in lines for f in w[3:9] for v in list(span(f))[:3] if v is not None] or [0]
    for _ in range(times):
        arch, nr = rnd.choice(known)
        if rnd.random() < 0.3:
            nr = rnd.randrange(500)
        # uretprobe and uprobe pass every filter of Linux's, which the simulator does not know.
        while arch == NATIVE and nr in (335, 336):
            nr = rnd.randrange(500)
        args = [rnd.choice(values) if rnd.random() < 0.6 else rnd.getrandbits(rnd.choice((1, 8, 32, 64))) for _ in range(6)]
        got, want = engines.husk(path, arch, nr, args), engines.simulator(path, arch, nr, args)
        if got != want:
            bad.append(f"{arch} {nr} {args}: {got}, simulator {want}")
    return bad


def main():
    archives = glob.glob(f"{BUILD}/sources/libseccomp_*.orig.tar.*")
    if not archives:
        skip("no source of libseccomp: tools/debian-source libseccomp")
    if not os.access(HUSK, os.X_OK):
        skip(f"no {HUSK}")
    # What a test leaves goes with the directory, also when its time is up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="husk-libseccomp.", dir="/var/tmp")
    os.environ["TMPDIR"] = directory
    try:
        shutil.unpack_archive(archives[0], directory)
        source = glob.glob(f"{directory}/libseccomp-*")[0]
        build(source)
        engines, rnd = Engines(source, directory), random.Random(SEED)
        for tests in sorted(glob.glob(f"{source}/tests/[0-9]*-sim-*.tests")):
            lines = list(lines_of(tests))
            program = os.path.basename(tests)[:-6]
            path = engines.filter_of(program)
            if not path or not os.path.getsize(path) or not any(arches_of(w[1]) for w in lines):
                report(True, f"{program} # SKIP nothing for these architectures")
                continue
            bad, count = try_lines(engines, path, lines)
            bad += try_random(engines, path, lines, rnd, 40)
            report(not bad, f"{program}: {count} calls as expected, 40 random ones as simulated", bad[:10])
    finally:
        shutil.rmtree(directory)
    print(f"1..{cases}")
    return failures != 0


sys.exit(main())
