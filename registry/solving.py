"""Solving on the server, for machines without the client: the same solver, over rows, bounded.

What a principal may not read isn't there for their solve, and they can't tell the two apart. A
solve is of one revision of the index, has a limit of time and of rounds, and only so many run in a
process at once: each of them wants a processor for itself.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable

from artifacts.reference import PackageName
from registry.acceptance import Acceptances
from registry.access import Principal, is_readable
from registry.config import RegistryConfig
from registry.database import Database
from registry.errors import (
    AccessError,
    NotFound,
    SolveEnded,
    SolverBusy,
    Unsolvable,
)
from registry.index import Index
from registry.oci.repositories import Kind
from registry.schema import NamespaceRow, ReleaseRow, RepositoryRow
from resolver.candidate import Environment
from resolver.errors import ResolutionImpossible, SolveCancelled, TooManyRounds
from resolver.options import Options
from resolver.requirement import Requirement
from resolver.solve import Solution, solve
from resolver.source import PackageIndex

MOST_NAMES = 2_000
"""Names that are compared with one that isn't there: those of its namespace, the first by name."""

_RETRY_AFTER = 1
"""Seconds after which to ask again: most solves are over by then."""

Timer = Callable[[], float]


class Solving:
    """Solves requirements over what a principal may read."""

    def __init__(
        self,
        config: RegistryConfig,
        database: Database,
        index: Index,
        acceptances: Acceptances,
        timer: Timer = time.monotonic,
    ) -> None:
        self._deadline = config.solve_deadline
        self._rounds = config.solve_rounds
        self._at_once = config.solves_at_once
        self._running = threading.Semaphore(config.solves_at_once)
        self._database = database
        self._index = index
        self._acceptances = acceptances
        self._timer = timer

    def solve(
        self,
        principal: Principal,
        requirements: Iterable[Requirement],
        environment: Environment,
        options: Options | None = None,
    ) -> Solution:
        """Return the newest releases that satisfy all requirements, as `resolver.solve` has it.

        For an application (`options.application`): of those that a bundle of it may hold.

        Raises:
            WrongKind: what is solved for is no application, but something else.
            NotAuthenticated, NamespaceUnknown: the principal may not read in its namespace.
            Unsolvable: nothing fits; says why.
            SolveEnded: the limit of time or rounds was reached.
            SolverBusy: as many run as may run at once.
        """
        if not self._running.acquire(blocking=False):
            raise SolverBusy(limit=self._at_once, retry_after=_RETRY_AFTER)
        try:
            return self._solve(principal, tuple(requirements), environment, options or Options())
        finally:
            self._running.release()

    def _solve(
        self,
        principal: Principal,
        requirements: tuple[Requirement, ...],
        environment: Environment,
        options: Options,
    ) -> Solution:
        until = self._timer() + self._deadline

        def is_over() -> bool:
            return self._timer() >= until

        namespaces = {requirement.package.namespace for requirement in requirements}
        application = options.application
        refused = (
            None if application is None else self._acceptances.get(principal, application).why_not
        )
        source = _RowSource(self._database, self._index, principal, namespaces, is_over)
        try:
            return solve(
                requirements,
                source,
                environment,
                refused=refused,
                max_rounds=self._rounds,
                is_cancelled=is_over,
                **options.arguments(),
            )
        except ResolutionImpossible as error:
            raise Unsolvable(error.explanation) from error
        except TooManyRounds as error:
            raise SolveEnded(seconds=None, rounds=self._rounds, known=str(error)) from error
        except SolveCancelled as error:
            known = f"{error.rounds:,} rounds of search were made"
            raise SolveEnded(seconds=self._deadline, rounds=None, known=known) from error


class _RowSource:
    """The index of one revision, of what a principal may read: an IndexSource."""

    def __init__(
        self,
        database: Database,
        index: Index,
        principal: Principal,
        namespaces: Collection[str],
        is_over: Callable[[], bool],
    ) -> None:
        self._database = database
        self._index = index
        self._principal = principal
        self._namespaces = namespaces
        self._is_over = is_over
        self.revision = index.revision()

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package; None where it isn't, or may not be read.

        Raises:
            SolveCancelled: the time is over.
        """
        if self._is_over():
            raise SolveCancelled(0)
        try:
            return self._index.releases(self._principal, package, self.revision)
        except (NotFound, AccessError):
            return None

    def list_names(self) -> Collection[PackageName]:
        """Return the first names of the namespaces that were asked for, of what may be read."""
        listed = ReleaseRow.select(ReleaseRow.repository)
        query = (
            RepositoryRow.select(RepositoryRow.name)
            .join(NamespaceRow)
            .where(
                is_readable(self._principal)
                & (RepositoryRow.kind == Kind.PACKAGE.value)
                & NamespaceRow.name.in_(sorted(self._namespaces))
                & RepositoryRow.id.in_(listed)
            )
            .order_by(RepositoryRow.name)
            .limit(MOST_NAMES)
        )
        with self._database.read():
            return [PackageName.parse(row.name) for row in query]
