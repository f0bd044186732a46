"""The options and special tokens of a tokenizer, as attributes under the names that users of Hugging Face know.

Reading one tells what holds, setting one checks it and makes it hold: the tokenizer works with it from then on, and
saves it. `HasSpecialTokens` shows an `AddedVocabulary` in this way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from albert_np.tokenization.elsewhere import ATTRIBUTES
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
LISTS = ("additional_special_tokens", "extra_special_tokens")  # one thing in versions 4 and 5 of transformers

Token = str | AddedToken
Value = TypeVar("Value", str, int)
Setting = TypeVar("Setting")


class Role(Generic[Value]):
    """The token of one role, such as `pad_token`, or its id, `pad_token_id`: to be read and to be set.

    None stands for no token. (The types leave it out: nearly every tokenizer has all of them.)
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self._role = name.removesuffix("_id")

    def __get__(self, owner: "HasSpecialTokens", kind: type | None = None) -> Value:
        if owner is None:  # the class's attribute, as documentation tools ask for it
            return cast(Value, self)
        token = owner.added.roles.get(self._role)
        return cast(Value, token if token is None or self._role == self._name else owner.added.ids[token])

    def __set__(self, owner: "HasSpecialTokens", value: Value) -> None:
        is_token = value is None or self._role == self._name
        token: str | int | None = value if is_token else owner.convert_ids_to_tokens(value)
        owner.add_special_tokens({self._role: token})


class Option(Generic[Setting]):
    """An option of a tokenizer; `check(name, value)` returns the value, or raises TypeError or ValueError."""

    def __init__(self, check: Callable[[str, Setting], Setting]):
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: object, kind: type | None = None) -> Setting:
        return cast(Setting, self if owner is None else vars(owner)[self._name])

    def __set__(self, owner: object, value: Setting) -> None:
        vars(owner)[self._name] = self._check(self._name, value)


class HasSpecialTokens:
    """A tokenizer's special and added tokens, shown as attributes; `added` holds them.

    A role can be given to another token: `tokenizer.pad_token = "[PAD]"`, `tokenizer.pad_token_id = 7`, or to none:
    `tokenizer.mask_token = None`. A token that is not in the vocabulary is added to it: the model then needs as many
    embeddings as `len(tokenizer)` (`model.resize_token_embeddings`).
    """

    added: AddedVocabulary

    bos_token, bos_token_id = Role[str](), Role[int]()
    eos_token, eos_token_id = Role[str](), Role[int]()
    unk_token, unk_token_id = Role[str](), Role[int]()
    sep_token, sep_token_id = Role[str](), Role[int]()
    pad_token, pad_token_id = Role[str](), Role[int]()
    cls_token, cls_token_id = Role[str](), Role[int]()
    mask_token, mask_token_id = Role[str](), Role[int]()

    do_lower_case: Option[bool]

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Return the token of an id, or the tokens of several."""
        raise NotImplementedError

    def role_id(self, role: str) -> int:
        """Return the id of the token that has a role ("mask_token" …). Raises ValueError if none has it."""
        if role not in self.added.roles:
            raise ValueError(f"this tokenizer has no {role}: give the role to a token, as in tokenizer.{role} = '[X]'")
        return self.added.ids[self.added.roles[role]]

    def __getattr__(self, name: str) -> Any:
        roles = vars(self)["added"].roles if "added" in vars(self) else {}
        if name in roles:
            return roles[name]
        if name.removesuffix("_id") in roles:
            return self.added.ids[roles[name.removesuffix("_id")]]
        hint = f": {ATTRIBUTES[name]}" if name in ATTRIBUTES else ""
        raise AttributeError(f"{type(self).__name__} has no {name!r}{hint}")

    def __setattr__(self, name: str, value: object) -> None:
        known = getattr(type(self), name, None)
        if name.startswith("_") or name == "added" or (known is not None and getattr(known, "fset", 0) is not None):
            super().__setattr__(name, value)
        elif name in self.added.roles:
            self.add_special_tokens({name: value})
        else:
            hint = f": {ATTRIBUTES[name]}" if name in ATTRIBUTES else ""
            raise AttributeError(f"{type(self).__name__} has no {name!r} that could be set{hint}")

    def add_tokens(self, new_tokens: Token | Sequence[Token], special_tokens: bool = False) -> int:
        """Add tokens that are found in text as they are written and never split; return how many ids are new.

        new_tokens: a token or several, as strings or as `AddedToken`. special_tokens: whether `decode` may leave
        them out; they are listed as `additional_special_tokens`. A token that is in the vocabulary keeps its id, and is
        found within words as all added ones are: "the" cuts "theme" in two, `AddedToken("the", single_word=True)` does
        not. With lower-casing on, a string that is not special is looked for in lower case, and kept so. Raises
        TypeError for what is no token.
        """
        given = [new_tokens] if isinstance(new_tokens, (str, AddedToken)) else new_tokens
        tokens = [token for token in check_tokens("new_tokens", given) if token != ""]
        before, known = len(self.added), {*self.added.all_special}
        added = self.added.with_tokens(tokens, special_tokens, self.do_lower_case)
        new = tuple(token for token in added.all_special if token not in known)
        self.added = replace(added, additional=(*added.listed, *new)) if new else added
        return len(self.added) - before

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, object], replace_additional_special_tokens: bool = True
    ) -> int:
        """Give roles to tokens, or list further special tokens; return how many ids are new.

        special_tokens_dict: role ("cls_token", "mask_token" …) → token, or None to take the role away;
        "additional_special_tokens" (or, as version 5 of transformers says, "extra_special_tokens") → list of tokens.
        These come in place of those that were listed, or behind them with `replace_additional_special_tokens=False`.
        "extra_special_tokens" may also be name → token, which makes roles of these names. What had a role or was
        listed before stays a token. Raises ValueError for another name, TypeError for what is no token.
        """
        if not isinstance(special_tokens_dict, Mapping):
            raise TypeError(f"special_tokens_dict must be a dict role → token, got {special_tokens_dict!r:.80}")
        before, added = len(self.added), self.added
        roles: dict[str, Token | None] = {}
        for name, value in special_tokens_dict.items():
            if name == "extra_special_tokens" and isinstance(value, Mapping):
                roles |= {self._own_role(role): _token(role, token) for role, token in value.items()}
            elif name in LISTS:
                listed = check_tokens(name, value)
                added = added.with_additional(listed if replace_additional_special_tokens else [*added.listed, *listed])
            elif name in added.roles or name in ROLES:
                roles[name] = None if value is None else _token(name, value)
            else:
                allowed = ", ".join(map(repr, dict.fromkeys([*ROLES, *added.roles, *LISTS])))
                raise ValueError(f"special_tokens_dict: {name!r} is no role; allowed are {allowed}")
        self.added = added.with_roles(roles)
        return len(self.added) - before

    def _own_role(self, name: str) -> str:
        """The name of a role that ALBERT does not have. Raises ValueError if it is no name, or stands for another."""
        if not (isinstance(name, str) and name.isidentifier()) or hasattr(type(self), name) or name in ATTRIBUTES:
            raise ValueError(f"extra_special_tokens: {name!r} cannot be the name of a token")
        return name

    @property
    def additional_special_tokens(self) -> list[str]:
        """Special tokens that have no role, as listed; to change them, set the attribute to another list, or to None.

        After that it is None, and none is listed. (The types leave it out.)
        """
        return cast(list[str], None if self.added.additional is None else [*self.added.additional])

    @additional_special_tokens.setter
    def additional_special_tokens(self, tokens: Sequence[Token] | None) -> None:
        self.added = self.added.with_additional(None if tokens is None else check_tokens(LISTS[0], tokens))

    @property
    def additional_special_tokens_ids(self) -> list[int]:
        """The ids of `additional_special_tokens`."""
        return [self.added.ids[token] for token in self.added.listed]

    @additional_special_tokens_ids.setter
    def additional_special_tokens_ids(self, ids: Sequence[int]) -> None:
        self.additional_special_tokens = self.convert_ids_to_tokens(ids)

    @property
    def special_tokens_map(self) -> dict[str, str | list[str]]:
        """Role → token, and the list of `additional_special_tokens` if there are any."""
        listed = {LISTS[0]: [*self.added.listed]} if self.added.listed else {}
        return {**self.added.roles, **listed}

    @property
    def all_special_tokens(self) -> list[str]:
        """All special tokens, each once: with a role, listed, or added as special."""
        return [*self.added.all_special]

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return [*self.added.special_ids]

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """id → token, of all that are found in text as they are written; special ones included."""
        return {**self.added.by_id}

    def get_added_vocab(self) -> dict[str, int]:
        """Return token → id, of all that are found in text as they are written; special ones included."""
        return {**self.added.ids}


class NoTokens(TypeError, AssertionError):
    """What should be tokens is something else, which Hugging Face asserts."""


def check_tokens(name: str, given: object) -> list[Token]:
    """A list of tokens. Raises TypeError for one string, and for what is no token."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise NoTokens(f"{name} must be a list of strings or AddedTokens, got {given!r}")
    return [_token(f"{name}[{i}]", token) for i, token in enumerate(given)]


def _token(name: str, given: object) -> Token:
    """A token. Raises TypeError for anything else."""
    if not isinstance(given, (str, AddedToken)):
        raise NoTokens(f"{name} must be a string or an AddedToken, got {given!r}")
    return given
