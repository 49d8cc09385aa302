"""`python3 -m resource_hash vectors`, or `fuzz SEED COUNT COMMAND...`, where the command answers for the operator."""

import sys

from . import fuzz, vectors


def main(arguments: list[str]) -> int:
    """The exit code: 1 when anything disagrees."""
    match arguments:
        case ["vectors"]:
            count, wrong = vectors.disagreements()
            print(*wrong, f"{count - len(wrong)} of {count} golden vectors hold", sep="\n")
            return bool(wrong)
        case ["fuzz", seed, count, *other]:
            print(f"seed {seed}", flush=True)
            different = 0
            for different, disagreement in enumerate(fuzz.disagreements(other, int(seed), int(count)), 1):
                print(disagreement)
            print(f"hash_second_implementation_agreed {int(count) - different} objects")
            return bool(different)
    sys.exit(__doc__)


sys.exit(main(sys.argv[1:]))
