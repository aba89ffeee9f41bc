"""The Hugging Face Hub: which commit a revision is, and its files, in the Hub's cache. The only door to its package.

    commit = fetch("OWNER/NAME", None, choose)    # over the network; what is in the cache already is not fetched again
    cached("OWNER/NAME", commit)                  # its folder there; no network

The cache is shared with other programs ($HF_HUB_CACHE, $HF_HOME); the package resumes what was interrupted.
"""

import importlib.util
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from evar.base.errors import DataError, EvarError, UsageError, did_you_mean, install_hint
from evar.base.files import require_space, storage_errors
from evar.base.progress import progress
from evar.base.threads import Threads

log = logging.getLogger(__name__)

CARD = "README.md"
AT_ONCE = 4  # files that come side by side
MOST_NEAR = 1000  # datasets of an owner that a wrong name is compared with
_DIGITS = re.compile(r"[0-9a-f]{7,40}")
_NETWORK = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}  # whose errors the package lets through


def installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("huggingface_hub") is not None


def cached(repo: str, revision: str) -> Path | None:
    """The folder of a commit (its 40 digits, or the first seven or more) in the cache; None where it is not there."""
    if not _DIGITS.fullmatch(revision):
        return None
    found = [folder for folder in _snapshots(repo) if folder.name.startswith(revision)]
    return found[0] if len(found) == 1 else None


def commit_in_cache(repo: str, revision: str | None) -> str | None:
    """The commit that a revision is as far as the cache knows; None where it does not.

    Without a revision: what `main` was when it was last asked for, else the only commit that there is.
    """
    if revision is not None and (folder := cached(repo, revision)):
        return folder.name
    there = {folder.name for folder in _snapshots(repo)}
    reference = _folder(repo) / "refs" / (revision or "main") if there else None
    if reference is not None and reference.is_file() and (commit := reference.read_text().strip()) in there:
        return commit
    return there.pop() if revision is None and len(there) == 1 else None


def fetch(repo: str, revision: str | None, choose: Callable[[Sequence[str], Path], Sequence[str]]) -> str:
    """Have files of a dataset in the cache; gives the commit that the revision is (None: of `main`).

    choose: which files, of all that it has (and the folder in which its card lies already). Without network what the
    cache has is taken, and a line says so. Raises DataError, with what to do, where there is no such dataset or
    revision, where an account is needed, and where nothing can be had; StorageError where the disk has too little room.
    """
    require_package()
    from huggingface_hub import HfApi

    if revision is not None and (known := cached(repo, revision)):
        revision = known.name
    try:
        info = HfApi().dataset_info(repo, revision=revision, files_metadata=True)
    except Exception as error:
        fault = _fault(error, repo, revision)
        commit = commit_in_cache(repo, revision) if isinstance(fault, NoNetwork) else None
        if commit is None:
            raise fault from error
        log.warning(f"{fault}; taken as it is in {cached(repo, commit)}")
        return commit
    commit = str(info.sha)
    sizes = {each.rfilename: each.size or 0 for each in info.siblings or ()}
    folder = _folder(repo) / "snapshots" / commit
    if CARD in sizes:
        _have(repo, CARD, revision or "main", revision)  # by the revision's name, so that the cache knows its commit
    wanted = [path for path in choose(sorted(sizes), folder) if not (folder / path).exists()]
    if not wanted:
        return commit
    total = sum(sizes[path] for path in wanted)
    with storage_errors(folder):
        require_space(_existing(folder), total, f"fetching {repo}", "free some, or set HF_HUB_CACHE to another folder")
    log.info(f"fetching {len(wanted):,} files of {repo} into {folder}")
    with progress(f"fetch {repo}", total=total, unit="byte") as advance, Threads(AT_ONCE) as pool:
        coming = {pool.submit(_have, repo, path, commit, revision): path for path in wanted}
        try:
            for each in as_completed(coming):
                each.result()
                advance(sizes[coming[each]])
        finally:
            pool.shutdown(cancel_futures=True)
    return commit


class NoNetwork(DataError):
    """The Hub cannot be reached."""


def require_package() -> None:
    """Raise UsageError, with what to install, where the package is missing."""
    if not installed():
        raise UsageError(f"datasets of the Hugging Face Hub need huggingface_hub: {install_hint('hub')}")


def _have(repo: str, path: str, revision: str, asked: str | None) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # there is one bar for all
    try:
        hf_hub_download(repo, path, repo_type="dataset", revision=revision)
    except Exception as error:
        with storage_errors(_folder(repo)):
            raise _fault(error, repo, asked) from error


def _fault(error: Exception, repo: str, revision: str | None) -> Exception:
    """What an error of the package means, in one line; itself where it is not of the Hub or the network."""
    from huggingface_hub import errors

    if isinstance(error, EvarError):
        return error
    log_in = "log in (`hf auth login`, or HF_TOKEN) with an account that may read it"
    if isinstance(error, errors.GatedRepoError):
        page = f"https://huggingface.co/datasets/{repo}"
        return DataError(f"{repo} is gated: accept its terms at {page}, {log_in}, and run again")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        hint = f"{hint} or " if (hint := _near(repo)) else ""
        return DataError(f"no dataset {repo} on the Hugging Face Hub: {hint}it is private: {log_in}")
    if isinstance(error, errors.RevisionNotFoundError):
        return DataError(f"{repo} has no revision {revision!r}: give a branch, a tag or a commit of 40 digits")
    lost = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError, TimeoutError)
    if isinstance(error, lost) or type(error).__module__.partition(".")[0] in _NETWORK:
        return NoNetwork(f"{repo}: the Hugging Face Hub cannot be reached ({_words(error)})")
    if isinstance(error, errors.HfHubHTTPError | errors.EntryNotFoundError):
        return DataError(f"{repo} could not be fetched: {_words(error)}; run again later")
    return error


def _near(repo: str) -> str:
    """Datasets of the same owner with a name like this one; empty where the Hub says nothing."""
    from huggingface_hub import HfApi

    owner = repo.partition("/")[0]
    try:
        there = [each.id for each in HfApi().list_datasets(author=owner, limit=MOST_NEAR)]
    except Exception:  # the hint is not worth an error
        return ""
    return did_you_mean(repo, there, cutoff=0.7)


def _words(error: Exception) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"


def _snapshots(repo: str) -> list[Path]:
    """Folders of the commits of a dataset in the cache."""
    if not installed():
        return []
    folder = _folder(repo) / "snapshots"
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def _folder(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
