"""A function of the vector math library as a loop over arrays, compiled: for tests and measurements."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import binding, ir

from dualad.native.vectormath import emit

binding.initialize_native_target()
binding.initialize_native_asmprinter()

PORTABLE = "-fma,-avx,-avx2,-avx512f,-avx512dq,-avx512vl,-avx512bw"
"""Features of the host to leave out, so that what is left is SSE."""


class Kernel:
    """``Kernel(name)(*arrays)``: out[i] = f(a[i], b[i], ...), ``width`` elements at a time."""

    def __init__(
        self,
        name: str,
        arguments: int = 1,
        *,
        width: int = 8,
        single: bool = False,
        fma: bool = True,
        features: str = "",
    ) -> None:
        self.dtype = np.dtype(np.float32 if single else np.float64)
        self.width = width
        element = ir.FloatType() if single else ir.DoubleType()
        vector = element if width == 1 else ir.VectorType(element, width)
        module = ir.Module()
        pointer, count = ir.PointerType(element), ir.IntType(64)
        f = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * (arguments + 1) + [count]), "kernel")
        entry, loop, done = (f.append_basic_block(b) for b in ("entry", "loop", "done"))
        ir.IRBuilder(entry).branch(loop)
        builder = ir.IRBuilder(loop)
        i = builder.phi(count)
        args = []
        for p in f.args[1:-1]:
            a = builder.load(builder.bitcast(builder.gep(p, [i]), ir.PointerType(vector)), align=element_size(single))
            args.append(a)
        y = emit(builder, name, args, fma=fma, avx512=False if "-avx512f" in features else None)
        at = builder.bitcast(builder.gep(f.args[0], [i]), ir.PointerType(vector))
        builder.store(y, at, align=element_size(single))
        following = builder.add(i, ir.Constant(count, width))
        i.add_incoming(ir.Constant(count, 0), entry)
        i.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, f.args[-1]), loop, done)
        ir.IRBuilder(done).ret_void()
        self.text = str(module)
        host = binding.get_host_cpu_features().flatten()
        target = binding.Target.from_default_triple().create_target_machine(
            cpu=binding.get_host_cpu_name(), features=",".join(filter(None, (host, features))), opt=2, jit=True
        )
        parsed = binding.parse_assembly(self.text)
        parsed.verify()
        options = binding.create_pipeline_tuning_options(speed_level=2)
        passes = binding.create_pass_builder(target, options)
        passes.getModulePassManager().run(parsed, passes)
        self._engine = binding.create_mcjit_compiler(parsed, target)
        self._engine.finalize_object()
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arguments + 1), ctypes.c_int64)
        self.call = signature(self._engine.get_function_address("kernel"))
        self.assembly = lambda: target.emit_assembly(parsed)

    def __call__(self, *arrays: Any) -> Any:
        n = len(arrays[0])
        whole = -(-n // self.width) * self.width
        padded = [np.concatenate([np.asarray(a, self.dtype), np.ones(whole - n, self.dtype)]) for a in arrays]
        out = np.empty(whole, self.dtype)
        self.call(out.ctypes.data, *[a.ctypes.data for a in padded], whole)
        return out[:n]


def element_size(single: bool) -> int:
    return 4 if single else 8
