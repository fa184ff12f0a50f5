"""Books: whatever holds a balance or a count, and is written only together with what explains it."""

from credits.domain.account import Account
from credits.domain.hold import Hold
from credits.domain.member import Member

type Book = Account | Hold | Member
