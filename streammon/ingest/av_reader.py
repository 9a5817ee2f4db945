"""Reads one connection from its first packet to its last, epoch by epoch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from av.container import InputContainer

from streammon.core.errors import StreammonError
from streammon.core.types import Item, Modality
from streammon.ingest.av_epoch import NOTHING, Epoch, Outlet
from streammon.ingest.av_input import Input, chosen
from streammon.ingest.av_packets import packets
from streammon.ingest.pace import Pacer
from streammon.ingest.track_watch import TrackWatch
from streammon.ingest.untimed import UntimedStart
from streammon.media.parameter_sets import parameter_sets
from streammon.media.tracks import MediaPacket

JUMP_BACK_S = 1.0
"""Media time that goes back by more than this has started anew: another epoch."""

STRAY_S = 5.0
"""Sound this far from the pictures of a new epoch still belongs to the one before."""

MOST_STRAYS = 250
"""Sound that starts again waits this many packets for the pictures to do so, too."""

CONTAINER_TICKS = 1_000_000


class Connection:
    """One open container. For one thread, for one use.

    With a `pacer`, items come in real time; a `watch` sees every packet arrive. A change of
    size, codec or parameter sets, or media time that starts again, begins a new epoch.
    """

    def __init__(
        self,
        container: InputContainer,
        source: Input,
        outlet: Outlet,
        *,
        video: bool,
        audio: bool,
        pacer: Pacer | None,
        watch: TrackWatch | None,
        leaving: threading.Event,
    ) -> None:
        self._container = container
        self._source = source
        self._outlet = outlet
        self._pacer = pacer
        self._watch = watch
        self._leaving = leaving
        self._video, self._audio = chosen(container, video=video, audio=audio)
        self._video_tick_s = float(getattr(self._video, "time_base", None) or 0)
        self._audio_tick_s = float(getattr(self._audio, "time_base", None) or 0)
        if self._video is not None:
            self._video.codec_context.thread_count = 1
        if self._audio is not None:
            self._audio.codec_context.thread_count = 1
        self._sequence: bytes | None = None
        self._extradata: bytes | None = None
        self._epoch: Epoch | None = None
        self._began_anew = False
        self._strays = 0

    @property
    def position_s(self) -> float:
        """Media time of the newest packet; 0 before the first."""
        if self._epoch is None:
            return 0.0
        return max(self._epoch.video_s, self._epoch.audio_s, 0.0)

    def items(self) -> Iterator[Item]:
        """Every item of the connection. Raises `Retryable` when a live one ends or breaks."""
        failure: StreammonError | None = None
        try:
            for made in self._made():
                yield from made
        except StreammonError as error:
            failure = error
        if self._epoch is not None:
            yield from self._epoch.finish()
        if failure is not None:
            raise failure

    def _made(self) -> Iterator[Sequence[Item]]:
        """What each packet gave, for those that gave something."""
        video = -1 if self._video is None else self._video.index
        audio = -1 if self._audio is None else self._audio.index
        start = UntimedStart(self._video)
        for packet in packets(self._container, self._source, self._leaving):
            index = packet.stream_index
            if index not in (video, audio):
                continue
            if self._watch is not None:
                self._watch.saw(Modality.VIDEO if index == video else Modality.AUDIO)
            if index == audio:
                made = self._take_audio(packet)
            elif packet.dts is None or start.holding:
                made = [item for timed in start.push(packet) for item in self._take_video(timed)]
            else:
                made = self._take_video(packet)
            if made:
                yield made

    def _take_video(self, packet: MediaPacket) -> Sequence[Item]:
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is None:
            return NOTHING
        moment_s = ticks * self._video_tick_s
        changed = packet.is_keyframe and self._changed(packet)
        before: list[Item] = []
        epoch = self._epoch
        if epoch is None:
            epoch = self._begin(moment_s)
        elif changed or (
            packet.is_keyframe and moment_s < epoch.origin_s + epoch.video_s - JUMP_BACK_S
        ):
            before = epoch.finish()
            epoch = self._begin_anew(moment_s)
        if self._pacer is not None:
            self._pacer.wait(moment_s - epoch.origin_s, self._leaving)
        made = epoch.take_video(packet, moment_s)
        return [*before, *made] if before else made

    def _take_audio(self, packet: MediaPacket) -> Sequence[Item]:
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is None:
            return NOTHING
        moment_s = ticks * self._audio_tick_s
        before: list[Item] = []
        epoch = self._epoch
        if epoch is None:
            epoch = self._begin(moment_s)
        media_s = moment_s - epoch.origin_s
        if self._began_anew and epoch.video_s < STRAY_S and abs(media_s - epoch.video_s) > STRAY_S:
            return NOTHING
        if media_s < epoch.audio_s - JUMP_BACK_S:
            if self._video is not None and self._strays < MOST_STRAYS:
                self._strays += 1
                return NOTHING
            before = epoch.finish()
            epoch = self._begin_anew(moment_s)
        if self._pacer is not None:
            self._pacer.wait(moment_s - epoch.origin_s, self._leaving)
        made = epoch.take_audio(packet, moment_s)
        return [*before, *made] if before else made

    def _changed(self, packet: MediaPacket) -> bool:
        """Whether this keyframe begins pictures of another size or coding."""
        assert self._video is not None
        if packet.has_sidedata("new_extradata"):
            self._extradata = bytes(packet.get_sidedata("new_extradata"))
            return True
        sets = parameter_sets(self._video.codec_context.name, memoryview(packet))
        if sets is None:
            return False
        before, self._sequence = self._sequence, sets.sequence
        if before is None or before == sets.sequence:
            return False
        self._extradata = sets.annex_b
        return True

    def _begin(self, moment_s: float) -> Epoch:
        """The first epoch: picture and sound share the container's start as origin."""
        start = self._container.start_time
        start_s = moment_s if start is None else start / CONTAINER_TICKS
        self._epoch = self._new_epoch(start_s if abs(moment_s - start_s) < STRAY_S else moment_s)
        return self._epoch

    def _begin_anew(self, moment_s: float) -> Epoch:
        if self._video is not None:
            self._video.codec_context.flush_buffers()
        if self._pacer is not None:
            self._pacer.next_epoch()
        self._began_anew = self._video is not None
        self._strays = 0
        self._epoch = self._new_epoch(moment_s)
        return self._epoch

    def _new_epoch(self, origin_s: float) -> Epoch:
        return Epoch(
            self._outlet, self._video, self._audio, origin_s=origin_s, extradata=self._extradata
        )
