"""``python -m dualad tour``."""

import sys


def main() -> int:
    if sys.argv[1:2] == ["tour"] and len(sys.argv) <= 3:
        from dualad.tour import tour

        tour(*sys.argv[2:])
        return 0
    print("usage: python -m dualad tour [PICTURE.png]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
