"""Fifteen kinds of hostile code, as Python sources: each tries, and prints as JSON what it got.

`PATHS`, `PORT` and the like are written in front by the test that runs one.
"""

PRELUDE = """
import json, os, signal, socket, sys, time

def tries(**ways):
    got = {}
    for name, way in ways.items():
        try:
            got[name] = repr(way())[:200]
        except BaseException as error:
            got[name] = None
    print(json.dumps({name: value for name, value in got.items() if value is not None}), flush=True)

def read(path):
    with open(path, 'rb') as file:
        return file.read(100)

def write(path):
    with open(path, 'wb') as file:
        return file.write(b'was here')
"""

WRITE_OUTSIDE = """
tries(**{path: (lambda path=path: write(path)) for path in PATHS})
"""

READ_FILES = """
tries(**{path: (lambda path=path: read(path)) for path in PATHS})
tries(**{path: (lambda path=path: os.listdir(path)) for path in FOLDERS})
"""

NETWORK = """
def connect(address):
    with socket.create_connection(address, timeout=2) as link:
        return link.getpeername()
tries(
    loopback=lambda: connect(('127.0.0.1', PORT)),
    any=lambda: connect(('0.0.0.0', PORT)),
    outside=lambda: connect(('1.1.1.1', 53)),
    name=lambda: socket.getaddrinfo('example.com', 443),
    udp=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.1.1.1', 53)),
    raw=lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
)
"""

UNIX_SOCKET = """
def connect(address):
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
    return address
tries(path=lambda: connect(PATH), abstract=lambda: connect(ABSTRACT))
"""

FORK_BOMB = """
while True:
    try:
        os.fork()
    except OSError:
        pass
"""

THREAD_BOMB = """
import threading
while True:
    try:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    except RuntimeError:
        pass
"""

MEMORY = """
held = []
while True:
    held.append(bytearray(os.urandom(1)) * 4_000_000)
"""

SHARED_MEMORY = """
import mmap
held = []
while True:
    region = mmap.mmap(-1, 16_000_000)
    region.write(b'x' * 16_000_000)
    held.append(region)
"""

MEMORY_OF_CHILDREN = """
for number in range(8):
    if os.fork() == 0:
        held = bytearray(60_000_000)
        held[::4096] = b'x' * len(held[::4096])
        time.sleep(1000)
time.sleep(1000)
"""

HIDDEN_MEMORY = """
def memfd():
    file = os.memfd_create('hidden')
    for _ in range(64):
        os.write(file, b'x' * 16_000_000)
    return os.fstat(file).st_size
def shm():
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.shmget(0, 1 << 30, 0o1600)
    if made < 0:
        raise OSError(ctypes.get_errno())
    return made
def sem():
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.semget(0, 32_000, 0o1600)
    if made < 0:
        raise OSError(ctypes.get_errno())
    return made
tries(memfd=memfd, shm=shm, sem=sem)
"""

PAGE_TABLES = """
import mmap
held = []
while True:
    held.append(mmap.mmap(-1, 1 << 37, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ))
    for place in range(0, 1 << 37, 1 << 21):
        held[-1][place]
        if place % (1 << 32) == 0:
            time.sleep(0.01)  # not to outrun whoever counts
"""

SOCKETS = """
held = []
for _ in range(2):
    os.fork()
while True:
    try:
        held.append(socket.socketpair())
    except OSError:
        time.sleep(1)
"""

EMPTY_FILES = """
number = 0
while True:
    os.close(os.open(f'/tmp/{number}', os.O_CREAT))
    number += 1
    if number % 2000 == 0:
        time.sleep(0.01)
"""

HANG = """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1000)
"""

SPIN = """
while True:
    pass
"""

FLOOD = """
while True:
    os.write(STREAM, b'x' * 65536)
"""

CRASH_FAULT = """
import ctypes
ctypes.string_at(0)
"""

CRASH_ABORT = "os.abort()"

EXIT = "os._exit(7)"

SIGNALS = """
tries(
    parent=lambda: os.kill(HOST_PID, signal.SIGKILL),
    group=lambda: os.killpg(HOST_GROUP, signal.SIGKILL),
    everybody=lambda: os.kill(-1, signal.SIGKILL),
    trace=lambda: read(f'/proc/{HOST_PID}/environ'),
)
"""

SYMLINKS = """
os.symlink(SECRET, '/tmp/link')
os.symlink('/', '/tmp/root')
tries(
    own=lambda: read('/tmp/link'),
    through=lambda: read('/tmp/root' + SECRET),
    given=lambda: read('/job/input/link'),
    up=lambda: read('/job/input/../../..' + SECRET),
    magic=lambda: read('/proc/1/root' + SECRET),
    descriptors=lambda: [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if SECRET in n],
)
os.write(int(os.environ['TABLE_FD']), b'table')
"""

ENVIRONMENT = """
def environ_of(pid):
    with open(f'/proc/{pid}/environ', 'rb') as file:
        content = file.read()
    assert MARK.encode() in content
    return content
tries(**{pid: (lambda pid=pid: environ_of(pid)) for pid in os.listdir('/proc') if pid.isdigit()})
print(json.dumps({name: value for name, value in os.environ.items() if MARK in value or 'SECRET' in name}))
print(json.dumps(sorted(os.environ)))
"""

ZOMBIES = """
for number in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for wanted in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(wanted, signal.SIG_IGN)
            os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(1000)', MARK])
        os._exit(0)
print(json.dumps('spawned'), flush=True)
"""

DISK = """
def fill(folder):
    written = 0
    try:
        for number in range(10_000):
            with open(f'{folder}/{number}', 'wb', buffering=0) as file:
                for _ in range(64):
                    written += file.write(b'x' * 1_000_000)
    except OSError:
        pass
    return written
print(json.dumps({folder: fill(folder) for folder in ('/tmp', '/dev/shm', '/', '/dev', '/job', '/usr', '/var')}))
"""

NAMESPACES = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno())
    return 'done'
tries(
    unshare=lambda: call(libc.unshare, 0x10000000),
    mount=lambda: call(libc.mount, b'none', b'/tmp', b'tmpfs', 0, None),
    chroot=lambda: os.chroot('/tmp'),
    setuid=lambda: os.setuid(0),
    trace=lambda: call(libc.ptrace, 16, 1, 0, 0),
    mknod=lambda: os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0)),
    hostname=lambda: socket.sethostname('owned'),
)
"""
