"""The machine: its vector width, and LLVM modules turned into addresses."""

from __future__ import annotations

import functools
import threading
from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir


class Unsigned(ir.IntType):
    """Bits that are a natural number: for LLVM the same type, for us another one."""

    def __new__(cls, bits: int) -> Unsigned:
        self = ir.Type.__new__(cls)
        self.width = bits
        return self

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


F64, F32, I64, I32, I16, I8, I1 = (
    ir.DoubleType(), ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(16), ir.IntType(8), ir.IntType(1),
)  # fmt: skip
U64, U32, U16, U8 = (Unsigned(n) for n in (64, 32, 16, 8))
INTEGERS = (I64, I32, I16, I8, U64, U32, U16, U8)
_INTEGERS = frozenset([id(t) for t in INTEGERS])
PTR = ir.PointerType()
SPLATS = 19  # the version of LLVM from which on a vector of equal numbers is written as one
_lock = threading.Lock()


@functools.cache
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@functools.cache
def features() -> str:
    return llvm.get_host_cpu_features().flatten()


@functools.cache
def vector_bytes() -> int:
    """Bytes in the widest vector register."""
    found = set(features().split(","))
    return 64 if "+avx512f" in found else 32 if "+avx2" in found else 16


def lanes(bytes_each: int, n: int, registers: int = 1) -> int:
    """How many elements to work on at once in a row of ``n``, in so many registers."""
    w = vector_bytes() // bytes_each * registers
    while w > 1 and w // 2 >= n:
        w //= 2
    return w


def target_machine() -> Any:
    return _target().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=features() + (",-prefer-256-bit" if vector_bytes() == 64 else ""),
        opt=1,
        reloc="pic",
        codemodel="default",
        jit=True,
    )


@functools.cache
def described() -> str:
    """All of this machine and compiler that compiled code depends on."""
    return f"{llvm.get_host_cpu_name()} {features()} {vector_bytes()} {llvm.llvm_version_info} {PASSES}"


PASSES = ("always_inliner", "sroa", "instruction_combine", "new_gvn", "instruction_combine")


def optimized(text: str, target: Any) -> Any:
    """Parsed, and through the passes. The code is in vectors already, so that few are needed."""
    parsed = llvm.parse_assembly(text)
    parsed.triple = target.triple
    parsed.data_layout = str(target.target_data)
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(1))
    passes = llvm.create_new_module_pass_manager()
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    passes.run(parsed, builder)
    return parsed


_writer = functools.cache(target_machine)


def object_code(text: str) -> bytes:
    """A module as an object file."""
    with _lock:
        target = _writer()
        return bytes(target.emit_object(optimized(text, target)))


def address(b: Any, at: int) -> Any:
    """The address of something in this process. The code does not contain it, but finds it in a variable that ``Machine`` fills:
    so the code can be kept for other processes."""
    module = b.module
    known: dict[int, Any] = module.__dict__.setdefault("addresses", {})
    if at not in known:
        known[at] = ir.GlobalVariable(module, I64, f"address.{len(known)}")
        known[at].initializer = constant(I64, 0)
    found = b.load(known[at], typ=I64)
    found.set_metadata("invariant.load", module.add_metadata([]))
    return found


def absolute(b: Any, at: int, t: Any = PTR) -> Any:
    """``address`` as a pointer."""
    return b.inttoptr(address(b, at), t)


def vector(t: Any, w: int) -> Any:
    return ir.VectorType(t, w) if w > 1 else t


def width_of(t: Any) -> int:
    return t.count if isinstance(t, ir.VectorType) else 1


def element_of(t: Any) -> Any:
    return t.element if isinstance(t, ir.VectorType) else t


def is_integer(t: Any) -> bool:
    return id(t) in _INTEGERS


def is_signed(t: Any) -> bool:
    return not isinstance(t, Unsigned) and t is not I1


def limits(t: Any) -> tuple[int, int]:
    """The least and the largest number of an integer type."""
    return (-(1 << t.width - 1), (1 << t.width - 1) - 1) if is_signed(t) else (0, (1 << t.width) - 1)


def number(x: Any, t: Any) -> Any:
    """A constant as NumPy converts it to a type."""
    if t is I1:
        return bool(x)
    if not is_integer(t):
        return float(x)
    x = int(x) & ((1 << t.width) - 1)
    return x - (1 << t.width) if x > limits(t)[1] else x


def retyped(b: Any, x: Any, t: Any) -> Any:
    """The same bits with another sign."""
    return x if x.type == t else b.bitcast(x, t)


class Written(ir.Constant):
    """A constant by its text: shorter than that of its lanes, of which there are many in a program."""

    def __init__(self, t: Any, text: str) -> None:
        self.type, self.constant = t, text

    def _get_reference(self) -> str:
        return self.constant


def constant(t: Any, x: Any) -> Any:
    """``x`` in every lane."""
    e = element_of(t)
    one = ir.Constant(e, float(x) if e in (F64, F32) else int(x))
    if not isinstance(t, ir.VectorType):
        return one
    if llvm.llvm_version_info[0] < SPLATS:
        return ir.Constant(t, [one] * t.count)
    return Written(t, f"splat ({e} {one.get_reference()})")


def intrinsic(b: Any, name: str, *args: Any) -> Any:
    """Call an LLVM intrinsic that is named by the type of its first argument."""
    t = args[0].type
    e = element_of(t)
    suffix = {F64: "f64", F32: "f32", I64: "i64", I1: "i1"}[e]
    full = f"llvm.{name}.v{t.count}{suffix}" if isinstance(t, ir.VectorType) else f"llvm.{name}.{suffix}"
    module = b.module
    f = module.globals.get(full)
    if f is None:
        f = ir.Function(module, ir.FunctionType(t, [a.type for a in args]), full)
    return b.call(f, args)


def splat(b: Any, x: Any, w: int) -> Any:
    if w == 1:
        return x
    t = ir.VectorType(x.type, w)
    none = Written(t, "undef")
    first = b.insert_element(none, x, ir.Constant(I32, 0))
    return b.shuffle_vector(first, none, _zeros(w))


@functools.cache
def _zeros(w: int) -> Any:
    return ir.Constant(ir.VectorType(I32, w), [0] * w)
