"""Brings the files of a model from the hub, at one commit, and only those that are needed.

What came is written down with its hashes, and later has to be the same: see `check_seal`.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from streammon.catalogue import received
from streammon.catalogue.entries import read_catalogue
from streammon.catalogue.hashes import hash_of
from streammon.catalogue.pull import Progress, check_space
from streammon.core.errors import Permanent
from streammon.detectors.hub_progress import LoggedBar, told_to
from streammon.detectors.model_files import Seal, first_line

log = logging.getLogger(__name__)

WANTED = (
    "config.json",
    "model.safetensors",
    "model-[0-9]*-of-[0-9]*.safetensors",
    "model.safetensors.index.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
COMPLETE = ".complete"
"""Written last: a folder that holds it needs no network any more."""
MOST_BREAKS = 4
"""How often one file may break off before it is left for the next start."""


def hub_folder(
    models: Path,
    repository: str,
    revision: str,
    *,
    endpoint: str,
    token: str | None,
    progress: Progress | None = None,
) -> Path:
    """The folder with the files of a model at a commit, under `models`; brought if not there.

    Blocking, for as long as the download takes; a broken one is resumed by the next call. How far
    it is goes to `progress`, or else into the log. Raises `Permanent` with what to do.
    """
    folder = received.folder_of(models, repository, revision)
    if not (folder / COMPLETE).is_file():
        with _asking(endpoint, repository, revision):
            _bring(folder, repository, revision, endpoint=endpoint, token=token, progress=progress)
    if not (folder / received.RECORD).exists():
        _write_down(folder, repository, revision)
    if not (folder / COMPLETE).exists():
        (folder / COMPLETE).write_text(f"{repository}\n{revision}\n")
    return folder


def commit_of(repository: str, revision: str, *, endpoint: str, token: str | None) -> str:
    """The commit that a branch or tag of a repository stands for now. Raises `Permanent`."""
    from huggingface_hub import HfApi

    with _asking(endpoint, repository, revision):
        found = HfApi(endpoint=endpoint, token=token or False).model_info(
            repository, revision=revision
        )
    if not found.sha:
        raise Permanent(f"{repository}: {endpoint} does not say which commit {revision} is")
    return found.sha


def check_seal(folder: Path, sha256: str) -> None:
    """Raises `Permanent` unless the files in a folder of the hub are those that came.

    `sha256` is of all files that are read (`Seal.of(check_folder(folder))`). A folder that came in
    another way has nothing to be held against.
    """
    found = received.read(folder)
    if found is None or found.seal == sha256:
        return
    wrong = found.wrong(folder, hashing=True)
    raise Permanent(
        f"{folder}: {', '.join(wrong) or 'a file more'} is not what came on {found.on}; "
        "`streammon models verify` says more; delete the folder, and it is fetched again"
    )


@contextmanager
def _asking(endpoint: str, repository: str, revision: str) -> Iterator[None]:
    """Raises `Permanent`, with what to do, for whatever goes wrong between here and the hub."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise Permanent(
            f"{repository} at {revision}: {endpoint} answered {error.response.status_code}; check "
            "the name and the revision, and set `token` (--token-file of a pull) if it asks for one"
        ) from error
    except (OSError, httpx.HTTPError) as error:
        raise Permanent(
            f"{repository}: {endpoint} cannot be reached, or the files cannot be kept "
            f"({first_line(error)}); go online once, or put the files of {revision} into a "
            "folder and set `model` to it"
        ) from error


def _write_down(folder: Path, repository: str, revision: str) -> None:
    """Note what came. Raises `Permanent` when the catalogue knows of another hash."""
    paths = check_folder(folder)
    try:
        found = received.write_down(folder, repository, revision, paths, seal=Seal().of(paths))
    except OSError as error:
        raise Permanent(f"{folder}: cannot be written: {error.strerror or error}") from error
    pinned = {
        file.name: file.sha256
        for entry in read_catalogue().values()
        for file in entry.hub_files
        if (file.repository, file.revision) == (repository, revision)
    }
    for file in found.files:
        if pinned.get(file.name, file.sha256) != file.sha256:
            _forget(folder, [file.name, received.RECORD])
            raise Permanent(
                f"{repository}: {file.name} has SHA-256 {file.sha256}, the catalogue knows "
                f"{pinned[file.name]}; it was removed: check `endpoint`"
            )


def _forget(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _bring(
    folder: Path,
    repository: str,
    revision: str,
    *,
    endpoint: str,
    token: str | None,
    progress: Progress | None,
) -> None:
    from huggingface_hub import HfApi, hf_hub_download

    given: str | bool = token or False  # never one that lies about on this machine
    found = HfApi(endpoint=endpoint, token=given).model_info(
        repository, revision=revision, files_metadata=True
    )
    if found.sha != revision:
        raise Permanent(f"{repository}: the hub has commit {found.sha} for {revision}")
    files = [file for file in found.siblings or [] if _wanted(file.rfilename)]
    _check_weights(repository, [file.rfilename for file in found.siblings or []])
    total = sum(file.size or 0 for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    check_space(folder, repository, total)
    log.info(
        "model_download",
        extra={"model": repository, "revision": revision, "files": len(files), "bytes": total},
    )
    download = partial(
        hf_hub_download,
        repository,
        revision=revision,
        local_dir=folder,
        endpoint=endpoint,
        token=given,
        tqdm_class=LoggedBar if progress is None else told_to(progress),
    )
    for file in files:
        path = _file(partial(download, filename=file.rfilename))
        if file.lfs is not None and hash_of(path) != file.lfs.sha256:
            path.unlink()
            raise Permanent(
                f"{repository}: {file.rfilename} came with another SHA-256 than the hub states; "
                "it was removed: try again, and check `endpoint`"
            )


def _file(download: Callable[[], str]) -> Path:
    """What it brings; where the connection breaks off, it goes on from there."""
    import httpx

    for _ in range(MOST_BREAKS):
        try:
            return Path(download())
        except httpx.RemoteProtocolError as error:
            log.warning("model_download_broke_off", extra={"cause": first_line(error)})
    return Path(download())


def _wanted(name: str) -> bool:
    """Files at the top of the repository only: a name with a folder could lead anywhere."""
    plain = "/" not in name and "\\" not in name
    return plain and any(fnmatch.fnmatchcase(name, pattern) for pattern in WANTED)


def _check_weights(where: str, names: Sequence[str]) -> None:
    """Raises `Permanent` unless there are weights in safetensors."""
    if any(_wanted(name) and name.endswith(".safetensors") for name in names):
        return
    others = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".h5", ".ckpt"))]
    raise Permanent(
        f"{where}: no model.safetensors; found: {', '.join(others) or 'no weights'}. Files that "
        'can hold code are not opened. Where you trust them, convert once: `python -c "from '
        "transformers import AutoModelForImageClassification as M; "
        "M.from_pretrained('FOLDER').save_pretrained('NEW')\"` (or AutoModelForAudioClassification "
        "and so on), copy the other files beside, and set `model: ./NEW`"
    )


def check_folder(folder: Path) -> list[Path]:
    """The files of a model that are read. Raises `Permanent` unless its weights are safetensors."""
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise Permanent(
            f"{folder}: not a folder that can be read ({error.strerror}); set `model` to one that "
            "`save_pretrained` of transformers wrote"
        ) from error
    if "config.json" not in names:
        raise Permanent(f"{folder}: no config.json; set `model` to a folder of transformers")
    _check_weights(str(folder), names)
    return [folder / name for name in names if _wanted(name)]
