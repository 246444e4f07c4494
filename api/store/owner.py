"""Whose answers and requests somebody may see: what an account paid for belongs to that account.

A person who is signed in to comfy.org has requests on their way under names of their own, `<identity>.of-<account>`: to
nobody else they exist. Keys that the machine's owner has set share the plain name; there a record tells whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import config
from ..connections.connection import Connection
from .records import JobRecord

OF = ".of-"
NUMBERS_EACH = 1000
PLACES = 900_000


@dataclass(frozen=True)
class Owner:
    """An account, None where everything is everybody's.

    `is_apart`: its requests have names of their own. `takes_unowned`: records from before accounts were written down
    are its own as well.
    """

    account: str | None = None
    is_apart: bool = False
    takes_unowned: bool = True

    def owns(self, record: JobRecord) -> bool:
        """Tell whether what a record is about is this account's."""
        if self.account is None:
            return True
        return self.takes_unowned if record.account is None else record.account == self.account

    def name(self, identity: str) -> str:
        """Return what a request is called while it is on its way."""
        return self.own_name(identity) if self.is_apart else identity

    def own_name(self, identity: str) -> str:
        """Return a name that nobody else uses, also where another account has the plain one."""
        return identity if self.account is None else f"{identity}{OF}{self.account}"


EVERYBODY = Owner()


def owner_over(connection: Connection, *, shared: bool) -> Owner:
    """Return whose answers somebody over a connection may have in a store, `shared` with other machines or not.

    comfy.org's belong to the person or key that paid. Own keys are the machine's: in its own store all that they paid
    for stays, also when a key is exchanged; in a shared one the account decides, for the others may have another.
    """
    if connection.kind == "comfy.org":
        return Owner(connection.account, is_apart=connection.personal, takes_unowned=not config.serves_many())
    return Owner(connection.account) if shared else EVERYBODY


def first_number(record: JobRecord) -> int:
    """Return the number that an account's answers begin at.

    Where many people use one ComfyUI, each account has numbers of its own: else the second answer would tell that there
    is a first.
    """
    if not (config.serves_many() and record.account and record.connection == "comfy.org"):
        return 1
    return NUMBERS_EACH * (1 + int(record.account, 16) % PLACES)
