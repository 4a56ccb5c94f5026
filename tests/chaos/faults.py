"""Does the harm of a schedule, each fault in a thread of its own at its moment."""

import threading
import time
from collections import Counter

from tests.chaos.harm import EVERYBODY, Harm
from tests.chaos.parts import Parts
from tests.chaos.plan import Fault, Kind, Plan
from tests.chaos.stack import ChaosStack


class Faults:
    """Runs a schedule; `done` counts what was done by kind."""

    def __init__(self, plan: Plan, parts: Parts) -> None:
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._schedule = plan.schedule
        self._parts = parts
        self._servers = threading.Lock()  # two outages of one server at once are one
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._clock = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """The clock of the schedule begins."""
        self._clock.start()

    @property
    def all_done(self) -> bool:
        """Whether the last fault is over."""
        return not self._clock.is_alive() and not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """No more harm; what is begun is brought to its end."""
        self._stopped.set()
        self._clock.join(10)
        for thread in self._threads:
            thread.join(90)

    def _run(self) -> None:
        began = time.monotonic()
        for fault in self._schedule:
            if self._stopped.wait(max(0.0, began + fault.at - time.monotonic())):
                return
            thread = threading.Thread(target=self._guarded, args=(fault,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _guarded(self, fault: Fault) -> None:
        try:
            self._do(fault)
        except BaseException as error:  # noqa: BLE001 - it belongs to the run
            self.failure = error
        else:
            self.done[fault.kind] += 1

    def _do(self, fault: Fault) -> None:
        parts = self._parts
        match fault.kind:
            case Kind.KILL:
                parts.kill(fault.target)
            case Kind.STOP:
                parts.freeze(fault.target, fault.seconds)
            case Kind.DRAIN:
                parts.drain(fault.target)
            case Kind.FAILPOINT:
                parts.kill(fault.target, failpoints=f"{fault.detail}=kill@{fault.hit}")
            case Kind.JOIN:
                parts.join(fault.target, fault.seconds, kill=fault.detail == "SIGKILL")
            case Kind.BROKER:
                with self._servers:
                    parts.restart_broker(fault.seconds, fault.target)
            case Kind.BROKER_STOP:
                with self._servers:
                    parts.freeze_broker(fault.seconds, fault.target)
            case Kind.BROKER_DRAIN:
                with self._servers:
                    parts.drain_broker(fault.target)
            case Kind.POSTGRES:
                with self._servers:
                    parts.restart_database(fault.seconds)
            case Kind.CUT:
                self._cut(fault)
            case Kind.S3_ERRORS | Kind.S3_SLOW:
                self._store(fault)

    def _cut(self, fault: Fault) -> None:
        when, _, request = fault.detail.partition(" ")
        for proxy in self._stack.kafka_proxies:
            proxy.cut(request, forwarded=when == "after")
        now = time.time()
        self._parts.harms.append(Harm(EVERYBODY, f"cut {fault.detail}", now, now + 5))

    def _store(self, fault: Fault) -> None:
        proxy = self._stack.store_proxy
        if proxy is None:
            return
        name = "busy" if fault.kind is Kind.S3_ERRORS else "slow"
        setattr(proxy, name, True)
        self._stopped.wait(fault.seconds)
        setattr(proxy, name, False)

    @property
    def _stack(self) -> ChaosStack:
        stack = self._parts.stack
        if not isinstance(stack, ChaosStack):
            raise TypeError("this stack has no proxies")
        return stack
