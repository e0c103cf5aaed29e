"""``python -m dualad tour`` and ``python -m dualad calibrate``."""

import sys


def main() -> int:
    if sys.argv[1:2] == ["tour"] and len(sys.argv) <= 3:
        from dualad.tour import tour

        tour(*sys.argv[2:])
        return 0
    if sys.argv[1:] == ["calibrate"]:
        from dualad.core.cache import cache_folder
        from dualad.plan.cost import calibrate

        for name, seconds in vars(calibrate()).items():
            print(f"{name:10} {seconds:.3g} s")
        print(f"kept in {cache_folder()}")
        return 0
    print("usage: python -m dualad tour [PICTURE.png] | calibrate", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
