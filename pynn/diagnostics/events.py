"""Event files of TensorBoard: records with checksums, each written by one call, so that a kill leaves whole ones."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..messages.terminal import printable
from ..typing import Array
from .record import Histogram

try:
    from tensorboardX import summary
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboardX.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
    from tensorboardX.record_writer import masked_crc32c
except ModuleNotFoundError as cause:
    raise ImportError('TensorBoard needs tensorboardX: pip install "pynn-cpu[tensorboard]"') from cause

LARGEST = 1 << 26  # bytes that wait for a full disk, at most
FINISHED, FAILED = 1, 2  # how a session ended, in TensorBoard's words


class Events:
    """A file of events in a folder, which TensorBoard shows as one run.

    first_step: TensorBoard forgets what older files in the folder hold from this step on.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The time to the microsecond: the names' order is that of the files, even if two are begun in one second.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file: Any = open(folder / name, "xb", buffering=0)  # noqa: SIM115 (closed at the end of the run)
        self._waiting = b""
        self._append(Event(wall_time=time.time(), file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.SessionStatus.Value("START"))
        self._append(Event(wall_time=time.time(), step=first_step, session_log=start))
        self.write()

    def scalar(self, name: str, value: float, step: int) -> None:
        """A number."""
        self._add(Summary(value=[Summary.Value(tag=printable(name, 500), simple_value=float(value))]), step)

    def histogram(self, name: str, values: Histogram, step: int) -> None:
        """A distribution."""
        counts = values.counts.tolist()
        edges = np.linspace(values.low, values.high, len(counts) + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        proto = HistogramProto(
            min=values.low, max=values.high, num=sum(counts), sum=float(middles @ values.counts),
            sum_squares=float(middles**2 @ values.counts),
            # An empty bin below the first one, whose lower end TensorBoard would otherwise put at minus infinity.
            bucket_limit=edges.tolist(), bucket=[0, *counts],
        )  # fmt: skip
        self._add(Summary(value=[Summary.Value(tag=printable(name, 500), histo=proto)]), step)

    def image(self, name: str, picture: Array, step: int) -> None:
        """A picture (H, W) or (H, W, 3) of 0..1."""
        pixels = np.asarray(np.clip(picture, 0, 1) * 255, np.uint8)
        colours = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        self._add(summary.image(name, colours, dataformats="HWC"), step)

    def text(self, name: str, text: str, step: int) -> None:
        """Text in Markdown."""
        self._add(summary.text(name, text), step)

    def begin_session(self, settings: dict[str, Any], step: int) -> None:
        """Hyperparameters. TensorBoard finds out by itself which there are in several runs, and which measurements."""
        self._add(summary.hparams(settings, {})[1], step)

    def end_session(self, finished: bool, step: int) -> None:
        """How the run ended."""
        info = SessionEndInfo(status=FINISHED if finished else FAILED, end_time_secs=time.time())
        content = HParamsPluginData(session_end_info=info, version=0).SerializeToString()
        plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
        metadata = SummaryMetadata(plugin_data=plugin)
        self._add(Summary(value=[Summary.Value(tag="_hparams_/session_end_info", metadata=metadata)]), step)

    def write(self) -> None:
        """Write what is waiting. If that fails, it keeps waiting, and the file keeps whole records."""
        if not self._waiting or self._file is None:
            return
        end = self._file.tell()
        try:
            # An unbuffered write may be partial when a disk is full.
            if self._file.write(self._waiting) < len(self._waiting):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            if len(self._waiting) > LARGEST:
                self._waiting = b""
            raise
        self._waiting = b""

    def close(self) -> None:
        """Close the file; what could not be written is lost."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _add(self, content: Any, step: int) -> None:
        self._append(Event(wall_time=time.time(), step=step, summary=content))

    def _append(self, event: Any) -> None:
        """A record: length, its checksum, the event, its checksum."""
        data = event.SerializeToString()
        header = len(data).to_bytes(8, "little")
        self._waiting += header + _checksum(header) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    return int(masked_crc32c(data)).to_bytes(4, "little")
