"""The conformance suite: RFC 6455 and RFC 7692, case by case, against the echo of a real natterd.

    run [--full] [--writes WAY] [--seed N] [NUMBER...]

Without --full it is a quick selection: all kinds of cases, the long ones
shorter, or not in all ways of writing. NUMBER selects cases: 6 is all of
section 6, 6.4 what begins with 6.4. A case that failed is run again by its
number, its way of writing and the seed that is printed, with the same bytes.
"""
import argparse
import collections
import multiprocessing
import os
import sys
import time
import traceback

from client import Mismatch
from registry import ALL_WRITES, CASES, SECTIONS, Trial, daemon

import cases_frames  # noqa: F401  (the cases: they enter themselves)
import cases_fragments  # noqa: F401
import cases_utf8  # noqa: F401
import cases_close  # noqa: F401
import cases_limits  # noqa: F401
import cases_deflate  # noqa: F401
import cases_strict  # noqa: F401
import cases_deflated  # noqa: F401
import cases_offers  # noqa: F401
import cases_random  # noqa: F401

JOBS = 4  # processes: while one waits for the daemon another prepares its bytes
ENOUGH = 20  # failed runs after which no more are begun: each may have waited in vain for long

Outcome = collections.namedtuple("Outcome", "number writes seconds failure")


def arguments():
    parser = argparse.ArgumentParser(prog="run", description="WebSocket conformance of natterd")
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="cases whose numbers begin so")
    parser.add_argument("--full", action="store_true", help="all cases at full length, in all ways of writing")
    parser.add_argument("--writes", choices=ALL_WRITES, help="one way of writing only")
    parser.add_argument("--seed", type=int, default=6455, help="of the random pieces")
    parser.add_argument("--list", action="store_true", help="list the cases and their titles")
    return parser.parse_args()


def selected(case, numbers):
    return not numbers or any((case.number + ".").startswith(n.rstrip(".") + ".") for n in numbers)


def plan(args):
    """(number, writes) of all runs; the longest sections first, so that no one waits for them at the end."""
    runs = [(case, writes) for case in CASES.values() if selected(case, args.numbers)
            for writes in ALL_WRITES
            if (args.full or writes in case.quick) and args.writes in (None, writes)]
    return [(case.number, writes) for case, writes in sorted(runs, key=lambda run: run[0].section not in (9, 12))]


def run_case(number, writes, port, full, seed):
    """None, or what was wrong."""
    case = CASES[number]
    trial = Trial(number, port, writes, full, seed)
    try:
        case.function(trial, *case.arguments)
    except Mismatch as mismatch:
        return str(mismatch)
    except Exception:  # a case that breaks is a case that failed; the others go on
        return "the case broke: " + traceback.format_exc()
    finally:
        trial.hang_up()
    return None


def worker(job):
    number, writes, *rest = job
    begun = time.monotonic()
    failure = run_case(number, writes, *rest)
    return Outcome(number, writes, time.monotonic() - begun, failure)


def until_enough(results):
    """The outcomes, up to so many failed ones, which are printed as they come."""
    outcomes, failed = [], 0
    for o in results:
        outcomes.append(o)
        if o.failure:
            failed += 1
            print(f"FAILED {o.number} ({o.writes}) {CASES[o.number].title}: {o.failure}", flush=True)
        if failed == ENOUGH:
            print(f"stopped after {failed} failed runs")
            break
    return outcomes


def run_all(args):
    """The outcomes of all runs, in the order of the cases."""
    with daemon() as natterd:
        jobs = [(number, writes, natterd.port, args.full, args.seed) for number, writes in plan(args)]
        with multiprocessing.get_context("fork").Pool(min(JOBS, len(jobs) or 1)) as pool:
            outcomes = until_enough(pool.imap_unordered(worker, jobs))
    return sorted(outcomes, key=lambda o: (CASES[o.number].place, ALL_WRITES.index(o.writes)))


def print_table(outcomes):
    """A line for each section. A case counts once, and has passed when it has in all ways of writing."""
    sections = collections.defaultdict(list)
    for outcome in outcomes:
        sections[CASES[outcome.number].section].append(outcome)
    row = "{:>3}  {:<38}{:>7}{:>8}{:>8}{:>8}{:>9}"
    print(row.format("", "section", "cases", "runs", "passed", "failed", "seconds"))
    totals = [0] * 4
    for section, mine in sorted(sections.items()):
        cases = {o.number for o in mine}
        failed = {o.number for o in mine if o.failure}
        sums = [len(cases), len(mine), len(cases) - len(failed), len(failed)]
        totals = [a + b for a, b in zip(totals, sums)]
        print(row.format(section, SECTIONS[section], *sums, f"{sum(o.seconds for o in mine):.1f}"))
    print(row.format("", "all", *totals, f"{sum(o.seconds for o in outcomes):.1f}"))


def main():
    args = arguments()
    if args.list:
        for case in sorted(CASES.values(), key=lambda c: c.place):
            print(f"{case.number:<10} {case.title}")
        return 0
    begun = time.monotonic()
    print(f"natterd: {os.environ['NATTERD']}  selection: {'full' if args.full else 'quick'}  "
          f"writes: {args.writes or ', '.join(ALL_WRITES)}  seed: {args.seed}", flush=True)
    outcomes = run_all(args)
    if not outcomes:
        print("no such case in this selection")
        return 1
    print_table(outcomes)
    failures = [o for o in outcomes if o.failure]
    print(f"{len(failures)} of {len(outcomes)} runs failed, in {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
