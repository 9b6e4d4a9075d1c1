# SPDX-License-Identifier: BSD-3-Clause
"""Scripts of the player: read, expanded, bundled, played on both sides, compared.

A script file holds scripts, each after a line `== NAME` or `== NAME {V=a,b}`, which are as many
scripts as V has values: `$V` is replaced. `use MACRO ARGUMENT...` stands for the lines of that
macro in scripts/macros.
"""
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent  # from where the machine file's paths lead
DEVICES = {"edu": "0000:00:04.0", "nvme": "0000:00:05.0", "e1000e": "0000:00:06.0",
           # two functions below one port, and a device alone below another
           "first": "0000:01:00.0", "second": "0000:01:00.1", "alone": "0000:02:00.0"}
HEADING = re.compile(r"^== (\S+)(?: \{(\w+)=([^}]*)\})?\s*$")
MOST_OF_A_BOOT = 1500  # scripts; more are played in more boots, at once where there are cores
EACH_SECONDS = 100000  # of the guest's time, in which what is slept passes at once


def read_macros(path=HERE / "scripts" / "macros"):
    macros, name = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("macro "):
            name = line.split()[1]
            macros[name] = []
        elif line.strip() and not line.startswith("#"):
            macros[name].append(line)
    return macros


class ScriptError(Exception):
    """What is wrong with a script file, and where."""


class Missing(Exception):
    """What has to be built first."""


def check_built(build, kernel):
    """Missing, with what to do about it, unless all is there that is played with."""
    needed = {f"{build}/ringfence": "make", str(kernel): "make reference-kernel",
              f"{build}/tests/reference/player/player": "make",
              f"{build}/tests/reference/player/player-static": "make"}
    for path, remedy in needed.items():
        if not os.path.exists(path):
            raise Missing(f"there is no {path}: {remedy} first")


def expand(lines, macros):
    out = []
    for line in lines:
        words = line.split()
        if words and words[0] == "use":
            if len(words) < 2 or words[1] not in macros:
                raise ScriptError(f"{line}: no such macro ({', '.join(sorted(macros))})")
            body = "\n".join(macros[words[1]])
            for n, value in enumerate(words[2:], 1):
                body = body.replace(f"${n}", value)
            out += expand(body.splitlines(), macros)
        else:
            out.append(line)
    return out


def read_scripts(path, macros):
    """All scripts of a file: [(name, text)]."""
    found, variants = [], []
    for line in path.read_text().splitlines():
        heading = HEADING.match(line)
        if line.startswith("==") and not heading:
            raise ScriptError(f"{path}: {line}: expected == NAME or == NAME {{V=a,b}}")
        if heading:
            name, var, values = heading.groups()
            variants = [(f"{name}:{v}" if var else name, var, v, [])
                        for v in (values.split(",") if var else [""])]
            found += variants
            continue
        for _, var, value, lines in variants:
            lines.append(line.replace(f"${var}", value) if var else line)
    scripts = []
    for name, _, _, lines in found:
        try:
            expanded = expand([x for x in lines if x.strip()], macros)
        except ScriptError as error:
            raise ScriptError(f"{path}: {name}: {error}") from None
        scripts.append((name, "\n".join(expanded) + "\n"))
    return scripts


def all_scripts():
    macros = read_macros()
    scripts = []
    for path in sorted((HERE / "scripts").glob("*.play")):
        scripts += read_scripts(path, macros)
    names = [name for name, _ in scripts]
    assert len(names) == len(set(names)), "two scripts of one name"
    return scripts


def bundle(scripts):
    return "".join(f"== {name}\n{text}" for name, text in scripts)


def parse(output):
    """What each script printed: {name: [line]}."""
    results, lines = {}, None
    for line in output.splitlines():
        if line.startswith("== "):
            lines = results.setdefault(line[3:], [])
        elif lines is not None:
            lines.append(line)
    return results


def device_options():
    return [word for name, address in DEVICES.items() for word in ("-d", f"{name}={address}")]


def needs_rights(text):
    """Whether a script is about the process's limit on locked memory, and its right to more."""
    return "rlimit memlock" in text


def may_lock_memory():
    """Whether CAP_IPC_LOCK, which containers often withhold, is in effect."""
    status = pathlib.Path("/proc/self/status").read_text()
    return bool(int(re.search(r"^CapEff:\s*(\w+)", status, re.MULTILINE)[1], 16) >> 14 & 1)


class Ringfence:
    """Plays a bundle under `ringfence run`.

    Scripts about the limit on locked memory have the same machine with the host's limit; that of
    the others has none, so that they depend on nobody's host.
    """

    def __init__(self, build, machine=HERE / "machine.json"):
        self.build, self.machine = pathlib.Path(build).resolve(), machine

    def run(self, scripts, path, machine, timeout):
        if not scripts:
            return {}
        path.with_suffix(".bundle").write_text(bundle(scripts))
        run = subprocess.run([f"{self.build}/ringfence", "run", "--quiet", "--machine",
                              str(machine), "--", f"{self.build}/tests/reference/player/player",
                              *device_options(), str(path.with_suffix(".bundle"))],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
                             errors="replace", timeout=timeout)
        path.with_suffix(".err").write_text(run.stderr)
        path.with_suffix(".out").write_text(run.stdout)
        return parse(run.stdout)

    def play(self, scripts, folder, timeout=540):
        folder = pathlib.Path(folder).resolve()
        limited = folder / "machine-limited.json"
        limited.write_text(json.dumps({**json.loads(self.machine.read_text()), "memlock": "host"}))
        return {
            **self.run([s for s in scripts if not needs_rights(s[1])], folder / "ringfence",
                       self.machine, timeout),
            **self.run([s for s in scripts if needs_rights(s[1])], folder / "ringfence-limited",
                       limited, timeout),
        }


class Linux:
    """Plays a bundle on real Linux in QEMU.

    The mock devices of iommufd's tests get no IOMMU where there is a real one before theirs (which
    of two IOMMUs without firmware's word a device has is, up to Linux 6.14, a matter of who came
    first). So scripts that make mock devices are played in another boot, of a machine without.

    The guest's time is that of its instructions, 16 ns each, and what it would sleep passes at
    once: edu's DMA takes 100 ms, and so does nvme's reset. Besides, a boot takes the same course
    each time.

    Ports are of 2.5 GT/s: after a bus reset Linux waits for the link of a faster one to be reported
    active, which QEMU 7.2's never is with nvme below it ("Data Link Layer Link Active not set"), so
    that every hot reset would be ENOTTY. Of slow ports it asks the device alone.
    """

    TIME_WORDS = ["--qemu", "-icount shift=4,sleep=off"]
    DEVICE_WORDS = [
        "--qemu", "-blockdev null-co,node-name=media,size=16777216,read-zeroes=on "
        "-blockdev null-co,node-name=media2,size=16777216,read-zeroes=on",
        "--device", "edu,addr=0x4",
        "--device", "nvme,addr=0x5,drive=media,serial=x",
        "--device", f"e1000e,addr=0x6,romfile={HERE}/e1000e.rom",
        "--device", "pcie-root-port,addr=0x7,id=pair,chassis=1,x-speed=2_5",
        "--device", "nvme,bus=pair,addr=0.0,multifunction=on,drive=media2,serial=y",
        "--device", "edu,bus=pair,addr=0.1",
        "--device", "pcie-root-port,addr=0x8,id=single,chassis=2,x-speed=2_5",
        "--device", "edu,bus=single,addr=0.0",
        "--append", "hugepages=8 vfio_iommu_type1.dma_entry_limit=1024",
        *[word for address in DEVICES.values() for word in ("--bind", address)],
    ]

    def __init__(self, build, kernel, boot=HERE.parent.parent / "scripts" / "reference-boot"):
        self.command = [str(boot), "--kernel", str(kernel)]
        self.player = f"{build}/tests/reference/player/player-static"

    def boot(self, scripts, folder, words, timeout):
        if not scripts:
            return {}
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "bundle"
        path.write_text(bundle(scripts))
        command = [*self.command, *self.TIME_WORDS, *words, "--out", str(folder),
                   "--timeout", str(timeout), "--each", str(EACH_SECONDS), "--cpus", "1",
                   "--file", f"{self.player}:player", "--file", f"{path}:/bundle",
                   "--", "player", *device_options(), "/bundle"]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             errors="replace", timeout=timeout + 30)
        if run.returncode:
            raise RuntimeError(f"the guest: {run.stderr.strip()[:400]}")
        return parse(run.stdout)

    def boots(self, scripts, folder):
        """What is to be booted: [(scripts, folder, words for reference-boot)]."""
        mock = [s for s in scripts if "TEST/MOCK_DOMAIN" in s[1]]
        rest = [s for s in scripts if "TEST/MOCK_DOMAIN" not in s[1]]
        found = []
        for part, name, words in ((rest, "linux", self.DEVICE_WORDS),
                                  (mock, "linux-mock",
                                   ["--iommu", "none", "--append", "hugepages=8"])):
            for at in range(0, len(part), MOST_OF_A_BOOT):
                number = f"-{at // MOST_OF_A_BOOT}" if at else ""
                found.append((part[at:at + MOST_OF_A_BOOT], folder / f"{name}{number}", words))
        return found


def both(build, kernel, scripts, out, timeout=540):
    """What each side printed: ({name: [line]}, {name: [line]})."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    boot = os.environ.get("REFERENCE_BOOT", HERE.parent.parent / "scripts" / "reference-boot")
    linux = Linux(build, kernel, boot)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        boots = [pool.submit(linux.boot, *words, timeout) for words in linux.boots(scripts, out)]
        here = pool.submit(Ringfence(build).play, scripts, out, timeout)
        return {k: v for one in boots for k, v in one.result().items()}, here.result()


def compare(linux, ringfence):
    """The lines that differ: [(action, on Linux, on Ringfence)]."""
    wrong = []
    for n in range(max(len(linux), len(ringfence))):
        a = linux[n] if n < len(linux) else "(nothing)"
        b = ringfence[n] if n < len(ringfence) else "(nothing)"
        if a != b:
            wrong.append((action(a if n < len(linux) else b), a, b))
    return wrong


def action(line):
    """What was done, without the number of the line and what came of it."""
    line = re.sub(r"^\d+: ", "", line)
    return line.rsplit(" = ", 1)[0]


def answer(line):
    """What came of it."""
    return line.rsplit(" = ", 1)[-1]


class Differences:
    """The table of docs/differences.md: | script | action | Linux | Ringfence | why | remedy |

    A row is met by an action of a script (a variant is a script) when that differs, in a line that
    the row's pattern is found in, and the answers are those that the row tells. It is gone where a
    script that it is for was played, and an action that its pattern is found in never differed.
    """

    ANSWER = re.compile(r"`([^`]+)`(?: \(.*\))?")

    def __init__(self, path):
        self.rows = []
        for line in path.read_text().splitlines():
            cells = [c.strip().replace("\\|", "|")
                     for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if len(cells) == 6 and cells[0].startswith("`"):
                told = [self.ANSWER.fullmatch(c) for c in cells[2:4]]
                self.rows.append({"script": cells[0].strip("`"), "pattern": cells[1].strip("`"),
                                  "answers": [one and one[1] for one in told],
                                  "wanted": set(), "met": set()})

    def of(self, script, what=None):
        """The rows for a script, or for an action in it."""
        return [row for row in self.rows if fnmatch.fnmatchcase(script, row["script"])
                and (what is None or re.search(row["pattern"], what))]

    @staticmethod
    def told(want, line):
        """Whether a row's answer, which may be prose (None), is that of a line."""
        return want is None or re.match(rf"(-1 )?(?:{want})(?:\s|$)", answer(line)) is not None

    def listed(self, script, what, linux, ringfence):
        """Whether a row has this difference of two lines, which compare() found."""
        for row in self.of(script, what):
            if all(map(self.told, row["answers"], (linux, ringfence))):
                row["met"].add((script, what))
                return True
        return False

    def played(self, script, lines):
        """What has to differ when Linux said this."""
        for row in self.of(script):
            found = {(script, action(line)) for line in lines
                     if re.search(row["pattern"], action(line))}
            row["wanted"] |= found or {(script, row["pattern"])}

    def count(self):
        return sum(bool(row["met"]) for row in self.rows)

    def gone(self):
        """[(script, action)] that are listed, and did not differ or not so."""
        return sorted({pair for row in self.rows for pair in row["wanted"] - row["met"]})
