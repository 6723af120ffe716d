"""The whole stack over a real Milvus server and a real MySQL or MariaDB server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import catalog_service_pb2 as catalog_pb2
from audiosearch.catalog.v1.calibration_pb2 import NORMALIZATION_NONE, OperatingPoint

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import start
from tests.end_to_end.test_import import counts, run_import
from tests.mysql_server import running as running_mysql
from tests.stores import running_milvus, settings_for
from tests.vowels import record

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings that point the services at real servers; skips where there can be none."""
    with running_mysql() as mysql, running_milvus(tmp_path_factory.mktemp("milvus")) as milvus:
        yield settings_for(milvus, mysql)


def test_whose_voice_it_is_on_real_servers(tmp_path: Path, servers: dict[str, str]) -> None:
    """Enroll, calibrate, identify, restart, identify again, delete: as on the embedded stores."""
    with start(tmp_path, **servers) as running:
        library, speakers = running.library(), running.client.speakers
        for voice in range(7):
            recordings = [record(tmp_path, voice, number, 2.0) for number in range(5)]
            speakers.enroll(library, f"v{voice}", recordings)
        point = OperatingPoint(max_false_alarm_rate=0.05)
        calibration = speakers.calibrate(library, point, NORMALIZATION_NONE)
        assert calibration.speaker_count == 7
        probe, stranger = record(tmp_path, 0, 20, 2.0), record(tmp_path, 7, 20, 2.0)
        before = speakers.identify(library, probe)
        assert [each.speaker.name.rpartition("/")[2] for each in before.matches] == ["v0"]
        assert not speakers.identify(library, stranger).matches
    with start(tmp_path, **servers) as running:
        speakers = running.client.speakers
        assert speakers.identify(library, probe) == before
        assert speakers.calibration(library) == calibration
        clip = next(speakers.enrollments(library, "v0")).name
        left = speakers.remove_enrollments(library, "v0", [clip])
        assert (left.enrollment_count, left.voiceprint_revision) == (4, left.revision)
        assert speakers.identify(library, probe).matches[0].speaker == left
        speakers.delete(library, "v0", with_clips=True)
        assert not speakers.identify(library, probe).matches
        left = running.client.clips(library, catalog_pb2.ListClipsRequest())
        assert len(list(left)) == 31
        delete = catalog_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True)
        running.client.call(running.client.stub.DeleteLibrary, delete)
        with pytest.raises(ServiceError) as raised:
            speakers.identify(library, probe)
        assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_the_main_job_on_real_servers(
    tmp_path: Path, sounds: Path, servers: dict[str, str]
) -> None:
    """Import, search, restart, search again, delete: as on the embedded stores."""
    query = sounds / "bronze_bell_2.wav"
    with start(tmp_path, **servers) as running:
        library, folder = running.library(), running.folder()
        for path in sounds.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        assert counts(run_import(running, library, folder)) == (20, 20, 0, 0)
        assert counts(run_import(running, library, folder)) == (20, 0, 20, 0)
        before = running.client.search(library, query)
        names = [match.clip.display_name for match in before.matches]
        assert names[0] == query.name
        assert {name.rsplit("_", 1)[0] for name in names[:3]} == {"bronze_bell"}
    assert not (tmp_path / "data" / "index").exists()
    assert not (tmp_path / "data" / "catalog").exists()
    with start(tmp_path, **servers) as running:
        assert running.client.search(library, query) == before
        clip = before.matches[0].clip
        audio = io.BytesIO()
        running.client.download(clip.name, audio)
        assert audio.getvalue() == query.read_bytes()
        stub = running.client.stub
        running.client.call(stub.DeleteClip, catalog_pb2.DeleteClipRequest(name=clip.name))
        after = running.client.search(library, query)
        assert clip.name not in {match.clip.name for match in after.matches}
        delete = catalog_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True)
        running.client.call(stub.DeleteLibrary, delete)
        with pytest.raises(ServiceError) as raised:
            running.client.search(library, query)
        assert raised.value.reason is Reason.LIBRARY_NOT_FOUND
