"""Whose answers and requests somebody may see: what a user of comfy.org paid for belongs to that user.

Requests of theirs on their way have names of their own, `<identity>.of-<account>`: to nobody else they exist. What a
machine's own keys pay for, at whatever service, is everybody's who uses the machine or shares its store.
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
        """Return a name that no other account uses."""
        return identity if self.account is None else f"{identity}{OF}{self.account}"


EVERYBODY = Owner()


def owner_over(connection: Connection) -> Owner:
    """Return whose answers and requests somebody over a connection sees."""
    account, is_many = connection.account, config.serves_many()
    return Owner(account, is_apart=connection.personal or is_many, takes_unowned=not is_many) if account else EVERYBODY


def payer_over(connection: Connection) -> str | None:
    """Return the account that is written down of what a connection pays for.

    None for what the machine pays where one person uses it: who signs in there later has that too.
    """
    return connection.account if connection.personal or config.serves_many() else None


def first_number(account: str | None) -> int:
    """Return the number that an account's answers begin at.

    Where many people use one ComfyUI, each account has numbers of its own: else the second answer would tell that there
    is a first.
    """
    if not (config.serves_many() and account):
        return 1
    return NUMBERS_EACH * (1 + int(account, 16) % PLACES)
