"""The threads that help with large loops: a pool in machine code, which knows nothing of Python.

``parallel(f, context, count)`` calls ``f(context, k)`` for each piece k. The caller takes pieces as its helpers do, and so
waits for no helper but those that are at work. While the pool helps one caller, others run their pieces alone.

Helpers spin for a moment when nothing is left to take, then sleep. A piece is taken by raising ``ticket``: the number of the
job, and in its lower half that of the next piece. No ticket comes twice, so that a helper which was held up between reading
and taking takes nothing. Between jobs, while ``f`` and ``context`` change, the ticket offers no piece.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import signal
from typing import Any

from llvmlite import binding as llvm

from dualad.native import threads
from dualad.native.objects import loaded, once

MOST = 256  # threads
SPINS = 4000  # pauses before a helper sleeps, or a caller yields: some 100 to 200 microseconds
NEEDED = ("pthread_create", "pthread_join", "pthread_sigmask", "pthread_mutex_init", "pthread_mutex_lock",
          "pthread_mutex_unlock", "pthread_cond_init", "pthread_cond_wait", "pthread_cond_signal",
          "pthread_cond_broadcast", "sched_yield")  # fmt: skip

ALONE = """
define {linkage} void @alone(ptr %f, ptr %context, i64 %count) {{
entry:
  br label %piece
piece:
  %k = phi i64 [ 0, %entry ], [ %next, %piece ]
  call void %f(ptr %context, i64 %k)
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %piece, label %done
done:
  ret void
}}
"""

POOL = """
@ticket = internal global i64 2147483647, align 128
@done = internal global i64 0, align 128
@sleepers = internal global i64 0, align 128
@busy = internal global i64 0, align 128
@wanted = internal global i64 0, align 128
@workers = internal global i64 0
@stopping = internal global i64 0
@job = internal global i64 0
@f = internal global ptr null, align 128
@context = internal global ptr null
@count = internal global i64 0
@mutex = internal global [128 x i8] zeroinitializer, align 128
@awake = internal global [128 x i8] zeroinitializer, align 128
@handles = internal global [{most} x i64] zeroinitializer, align 128

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @sched_yield()
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
{declare_pause}

define void @parallel(ptr %f, ptr %context, i64 %count) {{
entry:
  %wanted = load atomic i64, ptr @wanted monotonic, align 8
  %any = icmp sgt i64 %wanted, 0
  %several = icmp sgt i64 %count, 1
  %worth = and i1 %any, %several
  br i1 %worth, label %ask, label %alone
ask:
  %asked = cmpxchg ptr @busy, i64 0, i64 1 acquire monotonic
  %mine = extractvalue {{ i64, i1 }} %asked, 1
  br i1 %mine, label %begin, label %alone
alone:
  call void @alone(ptr %f, ptr %context, i64 %count)
  ret void
begin:
  call void @grow()
  store atomic ptr %f, ptr @f monotonic, align 8
  store atomic ptr %context, ptr @context monotonic, align 8
  store atomic i64 %count, ptr @count monotonic, align 8
  store atomic i64 0, ptr @done monotonic, align 8
  %last = load i64, ptr @job
  %job = add i64 %last, 1
  store i64 %job, ptr @job
  %ticket = shl i64 %job, 32
  store atomic i64 %ticket, ptr @ticket seq_cst, align 8
  %asleep = load atomic i64, ptr @sleepers seq_cst, align 8
  %some = icmp sgt i64 %asleep, 0
  br i1 %some, label %wake, label %help
wake:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %woken = call i32 @pthread_cond_signal(ptr @awake)
  br label %help
help:
  call void @work()
  br label %wait
wait:
  %n = phi i64 [ 0, %help ], [ %n1, %spin ], [ {spins}, %yield ]
  %finished = load atomic i64, ptr @done acquire, align 8
  %all = icmp eq i64 %finished, %count
  br i1 %all, label %close, label %still
still:
  %long = icmp sge i64 %n, {spins}
  br i1 %long, label %yield, label %spin
spin:
  {pause}
  %n1 = add i64 %n, 1
  br label %wait
yield:
  %yielded = call i32 @sched_yield()
  br label %wait
close:
  %closed = or i64 %ticket, 2147483647
  store atomic i64 %closed, ptr @ticket seq_cst, align 8
  store atomic i64 0, ptr @busy release, align 8
  ret void
}}

define internal i1 @open() {{
  %ticket = load atomic i64, ptr @ticket seq_cst, align 8
  %k = and i64 %ticket, 4294967295
  %count = load atomic i64, ptr @count monotonic, align 8
  %open = icmp ult i64 %k, %count
  ret i1 %open
}}

define internal void @work() {{
entry:
  br label %look
look:
  %ticket = load atomic i64, ptr @ticket acquire, align 8
  %k = and i64 %ticket, 4294967295
  %f = load atomic ptr, ptr @f monotonic, align 8
  %context = load atomic ptr, ptr @context monotonic, align 8
  %count = load atomic i64, ptr @count monotonic, align 8
  %open = icmp ult i64 %k, %count
  br i1 %open, label %take, label %nothing
take:
  %following = add i64 %ticket, 1
  %took = cmpxchg ptr @ticket, i64 %ticket, i64 %following acq_rel monotonic
  %mine = extractvalue {{ i64, i1 }} %took, 1
  br i1 %mine, label %run, label %look
run:
  call void %f(ptr %context, i64 %k)
  %before = atomicrmw add ptr @done, i64 1 acq_rel
  br label %look
nothing:
  ret void
}}

define internal ptr @worker(ptr %unused) {{
entry:
  br label %spin
spin:
  %n = phi i64 [ 0, %entry ], [ 0, %help ], [ 0, %rise ], [ %n1, %pause ]
  %open = call i1 @open()
  br i1 %open, label %help, label %idle
help:
  call void @work()
  br label %spin
idle:
  %stop = load atomic i64, ptr @stopping acquire, align 8
  %over = icmp ne i64 %stop, 0
  br i1 %over, label %end, label %tired
tired:
  %long = icmp sge i64 %n, {spins}
  br i1 %long, label %sleep, label %pause
pause:
  {pause}
  %n1 = add i64 %n, 1
  br label %spin
sleep:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %s0 = atomicrmw add ptr @sleepers, i64 1 seq_cst
  br label %check
check:
  %open2 = call i1 @open()
  %stop2 = load atomic i64, ptr @stopping seq_cst, align 8
  %over2 = icmp ne i64 %stop2, 0
  %up = or i1 %open2, %over2
  br i1 %up, label %rise, label %rest
rest:
  %waited = call i32 @pthread_cond_wait(ptr @awake, ptr @mutex)
  br label %check
rise:
  %s1 = atomicrmw sub ptr @sleepers, i64 1 seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %first = call i32 @pthread_cond_signal(ptr @awake)
  %second = call i32 @pthread_cond_signal(ptr @awake)
  br label %spin
end:
  ret ptr null
}}

define internal void @grow() {{
entry:
  %all = alloca [128 x i8], align 16
  %old = alloca [128 x i8], align 16
  %have = load i64, ptr @workers
  %want = load atomic i64, ptr @wanted monotonic, align 8
  %less = icmp slt i64 %have, %want
  br i1 %less, label %begin, label %enough
begin:
  call void @llvm.memset.p0.i64(ptr %all, i8 -1, i64 128, i1 false)
  %deaf = call i32 @pthread_sigmask(i32 {setmask}, ptr %all, ptr %old)
  br label %create
create:
  %k = phi i64 [ %have, %begin ], [ %next, %made ]
  %handle = getelementptr i64, ptr @handles, i64 %k
  %failed = call i32 @pthread_create(ptr %handle, ptr null, ptr @worker, ptr null)
  %good = icmp eq i32 %failed, 0
  br i1 %good, label %made, label %refused
made:
  %next = add i64 %k, 1
  store i64 %next, ptr @workers
  %more = icmp slt i64 %next, %want
  br i1 %more, label %create, label %finish
refused:
  store atomic i64 %k, ptr @wanted monotonic, align 8
  br label %finish
finish:
  %hears = call i32 @pthread_sigmask(i32 {setmask}, ptr %old, ptr null)
  br label %enough
enough:
  ret void
}}

define void @begin() {{
  %mutex = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %cond = call i32 @pthread_cond_init(ptr @awake, ptr null)
  ret void
}}

define void @hold() {{
entry:
  store atomic i64 0, ptr @wanted monotonic, align 8
  br label %ask
ask:
  %asked = cmpxchg ptr @busy, i64 0, i64 1 acquire monotonic
  %mine = extractvalue {{ i64, i1 }} %asked, 1
  br i1 %mine, label %stop, label %yield
yield:
  %yielded = call i32 @sched_yield()
  br label %ask
stop:
  store atomic i64 1, ptr @stopping seq_cst, align 8
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %woken = call i32 @pthread_cond_broadcast(ptr @awake)
  br label %look
look:
  %k = phi i64 [ 0, %stop ], [ %next, %join ]
  %workers = load i64, ptr @workers
  %more = icmp slt i64 %k, %workers
  br i1 %more, label %join, label %none
join:
  %place = getelementptr i64, ptr @handles, i64 %k
  %handle = load i64, ptr %place
  %joined = call i32 @pthread_join(i64 %handle, ptr null)
  %next = add i64 %k, 1
  br label %look
none:
  store i64 0, ptr @workers
  store atomic i64 0, ptr @stopping seq_cst, align 8
  ret void
}}

define void @release(i64 %wanted) {{
  store atomic i64 %wanted, ptr @wanted monotonic, align 8
  store atomic i64 0, ptr @busy release, align 8
  ret void
}}
"""
PAUSES = {
    "x86_64": ("call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"),
    "aarch64": ("call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"),
}  # fmt: skip
ARCHITECTURE = {"amd64": "x86_64", "arm64": "aarch64"}


def parallel() -> int:
    """The address of ``parallel``."""
    return _pool().address


@once
def _pool() -> _Pool:
    return _Pool()


class _Pool:
    def __init__(self) -> None:
        self.engine = loaded(ALONE.format(linkage=""))
        # LLVM finds the symbols of this process only after it has made its first engine.
        if not all(llvm.address_of_symbol(name) for name in NEEDED):  # Windows
            self.address = int(self.engine.get_function_address("alone"))
            return
        self.engine = loaded(_text())
        self.address = int(self.engine.get_function_address("parallel"))
        self._call("begin")()
        self._hold: Any = self._call("hold")
        self._release: Any = self._call("release", ctypes.c_int64)
        self.resume()
        threads.watchers.append(self.resize)
        # A child has no threads but its own; so it starts with a pool that has none, and whose locks are free.
        os.register_at_fork(before=self._hold, after_in_parent=self.resume, after_in_child=self.resume)
        atexit.register(self.resize, 1)  # no thread may be in this code when it is unloaded

    def _call(self, name: str, *kinds: Any) -> Any:
        return ctypes.CFUNCTYPE(None, *kinds)(self.engine.get_function_address(name))

    def resume(self) -> None:
        self._release(min(threads.get_num_threads(), MOST) - 1)

    def resize(self, n: int) -> None:
        """End the present helpers; as many as are wanted start when there is work for them."""
        self._hold()
        self._release(min(n, MOST) - 1)


def _text() -> str:
    machine = platform.machine().lower()
    pause, declared = PAUSES.get(ARCHITECTURE.get(machine, machine), ("", ""))
    fields = {
        "most": MOST,
        "spins": SPINS,
        "setmask": int(signal.SIG_SETMASK),
        "pause": pause,
        "declare_pause": declared,
    }
    return ALONE.format(linkage="internal") + POOL.format(**fields)
