"""Small copies of datasets in their native layouts, with sound: names and columns as the cited source gives them.

`TREES[task](root)` writes one below the data folder `root` and gives the truth, path below the dataset's own folder ->
(label or labels, part, group). Nothing here is read from a task's file.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import soundfile

Truth = dict[str, tuple[str | tuple[str, ...], str, str]]
RATE = 16000


def record(root: Path, paths: Iterable[str]) -> None:
    """A twentieth of a second of noise at each path, another one each."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4])
        soundfile.write(file, 0.1 * np.random.default_rng(seed).standard_normal(RATE // 20), RATE)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def dealt(name: str, shares: dict[str, int]) -> str:
    """The part by the rule as docs/datasets.md gives it, written again: u = SHA-256(name)'s first 64 bits / 2^64."""
    place = int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) / 2**64 * sum(shares.values())
    for part, share in shares.items():
        if place < share:
            return part
        place -= share
    raise AssertionError


def fold(name: str, folds: int) -> str:
    return dealt(name, {str(number + 1): 1 for number in range(folds)})


def own_folds(root: Path, paths: dict[str, str], folds: int) -> Truth:
    """Path -> label, recorded; each clip is its own group."""
    record(root, paths)
    return {path: (label, fold(path.rpartition(".")[0], folds), path) for path, label in paths.items()}


def esc50(root: Path, names: Iterable[str]) -> Truth:
    """As in soundata esc50.py; hearpreprocess esc50.py: audio/FOLD-CLIP-TAKE-TARGET.wav, meta/esc50.csv."""
    folder = root / "ESC-50" / "ESC-50-master"
    kinds = {"dog": (0, True), "airplane": (47, False), "rooster": (1, True)}
    lines, truth = ["filename,fold,target,category,esc10,src_file,take"], Truth()
    for number in range(1, 6):
        for category, (target, ten) in kinds.items():
            for take in "AB":
                source = 100000 + 10 * number + target
                name = f"{number}-{source}-{take}-{target}.wav"
                lines.append(f"{name},{number},{target},{category},{ten},{source},{take}")
                record(folder, [f"audio/{name}"])
                if category in names:
                    truth[f"audio/{name}"] = (category, str(number), str(source))
    write(folder / "meta" / "esc50.csv", "\n".join(lines) + "\n")
    return truth


ESC50_NAMES = ("dog", "airplane", "rooster")
ESC10_NAMES = ("dog", "rooster")


def cremad(parts: dict[str, str]) -> Callable[[Path], Truth]:
    """As in tensorflow_datasets crema_d.py: AudioWAV/SPEAKER_SENTENCE_EMOTION_LEVEL.wav, speakers 1001 to 1091."""

    def plant(root: Path) -> Truth:
        names = [f"{speaker}_IEO_{emotion}_HI" for speaker in parts for emotion in ("ANG", "SAD")]
        left_out = "1013_WSI_DIS_XX"
        record(root / "CREMA-D", [f"AudioWAV/{name}.wav" for name in [*names, left_out]])
        return {f"AudioWAV/{name}.wav": (name[9:12], parts[name[:4]], name[:4]) for name in names}

    return plant


# of each published list two test speakers, one for validation and two of the rest
EVAR_SPEAKERS = {"1001": "test", "1083": "test", "1009": "valid", "1002": "train", "1013": "train"}
TFDS_SPEAKERS = {"1010": "test", "1088": "test", "1015": "valid", "1001": "train", "1091": "train"}


def nsynth(root: Path, label: str) -> Truth:
    """magenta.tensorflow.org/datasets/nsynth: nsynth-SPLIT/examples.json by note_str, audio/NOTE_STR.wav."""
    truth = Truth()
    for split, number in {"train": 14, "valid": 15, "test": 16}.items():
        rows = {}
        for family, code in {"bass": 0, "guitar": 3}.items():
            for pitch in (60, 108):
                instrument = f"{family}_acoustic_{number:03}"
                note = f"{instrument}-{pitch:03}-100"
                rows[note] = {
                    "note": pitch,
                    "note_str": note,
                    "instrument": number,
                    "instrument_str": instrument,
                    "pitch": pitch,
                    "velocity": 100,
                    "sample_rate": 16000,
                    "qualities": [0] * 10,
                    "qualities_str": ["dark"],
                    "instrument_family": code,
                    "instrument_family_str": family,
                    "instrument_source": 0,
                    "instrument_source_str": "acoustic",
                }
                path = f"nsynth-{split}/audio/{note}.wav"
                truth[path] = (family if label == "family" else str(pitch), split, instrument)
        write(root / "NSynth" / f"nsynth-{split}" / "examples.json", json.dumps(rows, indent=1))
    record(root / "NSynth", truth)
    return truth


def fsd50k(root: Path) -> Truth:
    """As in soundata fsd50k.py: dev.csv (fname, labels, mids, split), eval.csv without split, uploaders."""
    folder = root / "FSD50K"
    dev = {"64760": ("Electric_guitar,Guitar,Music", "train"), "16399": ("Bark,Dog,Animal", "train"),
           "21914": ("Bark,Dog,Animal", "val")}  # fmt: skip
    evaluated = {"37199": "Electric_guitar,Guitar,Music", "175151": "Bark,Dog,Animal"}
    rows = [f'{name},"{labels}","/m/1",{split}' for name, (labels, split) in dev.items()]
    write(folder / "FSD50K.ground_truth" / "dev.csv", "\n".join(["fname,labels,mids,split", *rows]) + "\n")
    rows = [f'{name},"{labels}","/m/1"' for name, labels in evaluated.items()]
    write(folder / "FSD50K.ground_truth" / "eval.csv", "\n".join(["fname,labels,mids", *rows]) + "\n")
    for part, names in {"dev": dev, "eval": evaluated}.items():
        info = {name: {"title": "a", "tags": ["b", "c"], "license": "d", "uploader": f"up{name}"} for name in names}
        write(folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json", json.dumps(info))
    truth = Truth()
    for name, (labels, split) in dev.items():
        part = {"train": "train", "val": "valid"}[split]
        truth[f"FSD50K.dev_audio/{name}.wav"] = (tuple(sorted(labels.split(","))), part, f"up{name}")
    for name, labels in evaluated.items():
        truth[f"FSD50K.eval_audio/{name}.wav"] = (tuple(sorted(labels.split(","))), "test", f"up{name}")
    record(folder, truth)
    return truth


def libricount(root: Path) -> Truth:
    """As in hearpreprocess libricount.py: test/COUNT_*.wav, the label stands before the first underscore."""
    return own_folds(
        root / "LibriCount", {f"test/{count}_{take}.wav": str(count) for count in (0, 1, 10) for take in range(12)}, 5
    )


def fsdd(root: Path) -> Truth:
    """The README: recordings/DIGIT_SPEAKER_INDEX.wav, indices 0 to 4 are the test."""
    truth: Truth = {
        f"recordings/{digit}_{speaker}_{index}.wav": (str(digit), "test" if index <= 4 else "train", speaker)
        for digit in (0, 7)
        for speaker in ("george", "yweweler")
        for index in (0, 4, 5, 49)
    }
    record(root / "FSDD" / "free-spoken-digit-dataset-1.0.9", truth)
    return truth


def vocalsound(root: Path) -> Truth:
    """The README: audio_16k/SPEAKER_SESSION_SOUND.wav, datafiles/{tr,val,te}.json of {"wav", "labels"} below "data"."""
    folder, truth = root / "VocalSound" / "vs_release_16k", Truth()
    for name, part, speaker in (("tr", "train", "f0003"), ("val", "valid", "m0004"), ("te", "test", "f3365")):
        files = {f"{speaker}_0_{sound}.wav": sound for sound in ("cough", "throatclearing")}
        data = [{"wav": f"/data/vocalsound/audio_16k/{file}", "labels": "/m/01b_21"} for file in files]
        write(folder / "datafiles" / f"{name}.json", json.dumps({"data": data}))
        truth |= {f"audio_16k/{file}": (sound, part, speaker) for file, sound in files.items()}
    record(folder, truth)
    return truth


def mridangam(root: Path, label: str) -> Truth:
    """As in mirdata mridangam_stroke.py: TONIC/ID__AUTHOR__STROKE-TONIC-NUMBER.wav."""
    folder = root / "Mridangam" / "mridangam_stroke_1.5"
    tonics = {"B": "b", "C#": "csh", "E": "e"}
    return own_folds(
        folder,
        {
            f"{tonic}/{224000 + take}__akshaylaya__{stroke}-{short}-{take:03}.wav": stroke
            if label == "stroke"
            else tonic
            for tonic, short in tonics.items()
            for stroke in ("bheem", "thom")
            for take in range(8)
        },
        5,
    )


def beijing_opera(root: Path) -> Truth:
    """As in hearpreprocess beijing_opera.py: flat, ID__AUTHOR__INSTRUMENT-NUMBER.wav."""
    names = {
        f"{170000 + take}__ajaysm__{name}-{take:02}.wav": name for name in ("bangu", "naobo") for take in range(20)
    }
    return own_folds(root / "BeijingOpera" / "beijing_opera_percussion_instrument_1.0", names, 5)


def gtzan_music_speech(root: Path) -> Truth:
    """As in tensorflow_datasets gtzan_music_speech.py: LABEL_wav/NAME.wav in music_speech."""
    names = {f"{name}_wav/track{take}.wav": name for name in ("music", "speech") for take in range(40)}
    return own_folds(root / "GTZANMusicSpeech" / "music_speech", names, 10)


def voxlingua(root: Path) -> Truth:
    """As in hearpreprocess vox_lingua_top10.py: the folder is the language; names as on the dataset's page."""
    names = {
        f"dev/{language}/{language}{video:09}__U__S{take}---0048.930-0055.110.wav": (language, f"{language}{video:09}")
        for language in ("et", "lv")
        for video in range(10)
        for take in (1, 2)
    }
    names["dev/et/cut0001.wav"] = ("et", "dev/et/cut0001.wav")
    record(root / "VoxLingua107", names)
    return {path: (language, fold(group.removesuffix(".wav"), 5), group) for path, (language, group) in names.items()}


def tau2020(root: Path) -> Truth:
    """As in soundata tau2020uas_mobile.py: meta.csv by tabs, with identifier and source_label; lists of fold 1."""
    folder = root / "TAU2020" / "TAU-urban-acoustic-scenes-2020-mobile-development"
    places = (("train", "lisbon", 1, "a"), ("test", "lyon", 2, "s4"), ("", "milan", 3, "s5"))
    clips = {
        f"audio/{scene}-{city}-{number}-0-{device}.wav": (scene, part, f"{city}-{number}", device)
        for scene in ("airport", "tram")
        for part, city, number, device in places
    }
    meta = [f"{path}\t{scene}\t{place}\t{device}" for path, (scene, _, place, device) in clips.items()]
    write(folder / "meta.csv", "\n".join(["filename\tscene_label\tidentifier\tsource_label", *meta]) + "\n")
    for part, name in {"train": "fold1_train.csv", "test": "fold1_evaluate.csv"}.items():
        rows = [f"{path}\t{scene}" for path, (scene, own, _, _) in clips.items() if own == part]
        write(folder / "evaluation_setup" / name, "\n".join(["filename\tscene_label", *rows]) + "\n")
    record(folder, clips)
    return {path: (scene, part, place) for path, (scene, part, place, _) in clips.items() if part}


def fma_small(root: Path) -> Truth:
    """mdeff/fma README and utils.py: NNN/NNNNNN.mp3; tracks.csv has two lines of names, and one with track_id."""
    tracks = {2: ("Hip-Hop", "training", 1), 5: ("Rock", "training", 2), 10140: ("Hip-Hop", "validation", 3),
              140000: ("Rock", "test", 4)}  # fmt: skip
    lines = [",album,artist,set,set,track,track", ",title,id,split,subset,genre_top,title", "track_id,,,,,,"]
    lines += [f'{track},"a, b",{artist},{part},small,{genre},c' for track, (genre, part, artist) in tracks.items()]
    lines.append("20,d,300,training,large,,e")
    write(root / "FMA" / "fma_metadata" / "tracks.csv", "\n".join(lines) + "\n")
    parts = {"training": "train", "validation": "valid", "test": "test"}
    truth: Truth = {
        f"fma_small/{track:06}"[:13] + f"/{track:06}.mp3": (genre, parts[part], str(artist))
        for track, (genre, part, artist) in tracks.items()
    }
    record(root / "FMA", truth)
    return truth


TAGS = """guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat, violin, vocal,
synth, female, indian, opera, male, singing, vocals, no vocals, harpsichord, loud, quiet, flute, woman, male vocal,
no vocal, pop, soft, sitar, solo, man, classic, choir, voice, new age, dance, male voice, female vocal, beats, harp,
cello, no voice, weird, country, metal, female voice, choral"""  # musicnn configuration.py, MTT_LABELS


def mtt(root: Path) -> Truth:
    """As in mir_ref magnatagatune.py: annotations_final.csv by tabs, a column for each tag, mp3_path."""
    tags = ["banjo", *" ".join(TAGS.split("\n")).split(", ")]
    clips = {"0/ann-a-01-b-0-29": ["guitar", "slow"], "b/bob_x-a-01-b-0-29": ["no vocal", "banjo"],
             "c/cy-a-01-b-0-29": ["guitar"], "d/dan-a-01-b-0-29": ["slow"], "f/eve-a-01-b-0-29": ["guitar", "choral"],
             "e/fay-a-01-b-0-29": ["banjo"]}  # fmt: skip
    lines = ["\t".join(f'"{name}"' for name in ("clip_id", *tags, "mp3_path"))]
    for number, (name, own) in enumerate(clips.items()):
        marks = [str(int(tag in own)) for tag in tags]
        lines.append("\t".join(f'"{cell}"' for cell in (str(number), *marks, f"{name}.mp3")))
    write(root / "MagnaTagATune" / "annotations_final.csv", "\n".join(lines) + "\n")
    record(root / "MagnaTagATune", [f"{name}.mp3" for name in clips])
    parts = {"0": "train", "b": "train", "c": "valid", "d": "test", "f": "test"}
    return {
        f"{name}.mp3": (tuple(sorted({*own} - {"banjo"})), parts[name[0]], name[2:].partition("-")[0])
        for name, own in clips.items()
        if own != ["banjo"]
    }


def openmic(root: Path) -> Truth:
    """As in mirdata openmic2018.py: a row a clip and instrument, lists of split 01 without names, clips as .ogg."""
    folder = root / "OpenMIC" / "openmic-2018"
    clips = {
        "000046_3840": ("train", "ann", {"piano": 0.5, "voice": 0.17}),
        "000135_483840": ("train", "bob", {"clarinet": 1.0, "flute": 0.0}),
        "010139_119040": ("train", "cy, the", {"piano": 0.2, "voice": 0.9, "flute": 0.8}),
        "000178_3840": ("test", "dan", {"saxophone": 0.1, "flute": 0.62}),
        "155310_372480": ("test", "eve", {"violin": 0.31}),
    }  # fmt: skip
    lines = [f"{key},{name},{value},3" for key, (_, _, own) in clips.items() for name, value in own.items()]
    write(
        folder / "openmic-2018-aggregated-labels.csv",
        "\n".join(["sample_key,instrument,relevance,num_responses", *lines[::2], *lines[1::2]]) + "\n",
    )
    lines = [f'"a ""b""","{artist}",{key},0' for key, (_, artist, _) in reversed(clips.items())]
    names = "track_title,artist_name,sample_key,start_time"
    write(folder / "openmic-2018-metadata.csv", "\n".join([names, *lines]) + "\n")
    for part in ("train", "test"):
        keys = [key for key, (own, _, _) in clips.items() if own == part]
        write(folder / "partitions" / f"split01_{part}.csv", "\n".join(keys) + "\n")
    record(folder, [f"audio/{key[:3]}/{key}.ogg" for key in clips])
    return {
        f"audio/{key[:3]}/{key}.ogg": (tuple(sorted(name for name, value in own.items() if value >= 0.5)), part, artist)
        for key, (part, artist, own) in clips.items()
    }


def surge(root: Path) -> Truth:
    """EVAR's description: TONE/NOTE.ogg, the class is the MIDI note."""
    tones = [f"bank{number % 3}/tone {number}" for number in range(30)]
    truth: Truth = {
        f"{tone}/{note}.ogg": (str(note), dealt(tone, {"train": 8, "valid": 1, "test": 1}), tone)
        for tone in tones
        for note in (21, 108)
    }
    record(root / "Surge", truth)
    return truth


def voxforge(root: Path) -> Truth:
    """As in tensorflow_datasets voxforge.py: archives SPEAKER-DATE-ID with wav/, by language."""
    speakers = [f"speaker{number}" for number in range(30)]
    truth: Truth = {
        f"{language}/{speaker}-20100{take}01-abc/wav/{language}5-00{take}.wav": (
            language,
            dealt(speaker, {"train": 7, "valid": 1, "test": 2}),
            speaker,
        )
        for number, speaker in enumerate(speakers)
        for language in [("de", "ru")[number % 2]]
        for take in (1, 2)
    }
    record(root / "VoxForge", [*truth, "de/openpento-20100101-x/etc/noise.wav"])
    return truth


def spcv1(root: Path) -> Truth:
    """Warden 2018 and the archive's README: WORD/SPEAKER_nohash_N.wav, two lists, by a hash of the speaker."""
    folder, truth = root / "SpeechCommandsV1" / "speech_commands_v0.01", Truth()
    for speaker in (f"{number * 2654435761 % 2**32:08x}" for number in range(40)):
        number = int(hashlib.sha1(speaker.encode()).hexdigest(), 16)
        percent = (number % 2**27) * (100.0 / (2**27 - 1))
        part = "valid" if percent < 10 else "test" if percent < 20 else "train"
        truth |= {f"{word}/{speaker}_nohash_0.wav": (word, part, speaker) for word in ("bed", "zero")}
    record(folder, [*truth, "_background_noise_/pink_noise.wav"])
    for part, name in {"valid": "validation_list.txt", "test": "testing_list.txt"}.items():
        write(folder / name, "".join(f"{path}\n" for path, (_, own, _) in truth.items() if own == part))
    return truth


def hear(folder: str, folds: int) -> Callable[[Path], Truth]:
    """As in hearpreprocess pipeline.py: tasks/TASK/foldNN.json of {file: [label]}, RATE/foldNN/file."""

    def plant(root: Path) -> Truth:
        place, truth = root / "HEAR" / "hear-2021.0.6" / "tasks" / folder, Truth()
        for number in range(folds):
            part = f"fold{number:02}"
            files = {f"{label}_clip{number}.wav": [label] for label in ("x", "y")}
            write(place / f"{part}.json", json.dumps(files, indent=True))
            truth |= {f"48000/{part}/{file}": (label, part, f"48000/{part}/{file}") for file, (label,) in files.items()}
        record(place, truth)
        return truth

    return plant


def gunshot(root: Path) -> Truth:
    """As in hearpreprocess gunshot_triangulation.py: micM_shotS_fidF.wav, a fold is a firearm, label the microphone."""
    place, truth = root / "HEAR" / "hear-2021.0.6" / "tasks" / "gunshot_triangulation-v1.0-full", Truth()
    for number, firearm in enumerate((3, 2, 5, 4, 1, 7, 6)):
        files = {f"mic{mic}_shot{3 * firearm}_fid{firearm}.wav": [f"mic{mic}"] for mic in (1, 2, 3, 4)}
        write(place / f"fold{number:02}.json", json.dumps(files))
        for file, (mic,) in files.items():
            truth[f"48000/fold{number:02}/{file}"] = (mic, f"fid{firearm}", f"fid{firearm}")
    record(place, truth)
    return truth


def as2m(root: Path) -> Truth:
    """As on research.google.com/audioset/download.html: lists of `YTID, start, end, "mid,mid"`, and the class list."""
    place = root / "AudioSet"
    write(
        place / "class_labels_indices.csv", 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech"\n'
    )
    ids = {
        "balanced_train": ["--4gqARaEJE", "_-abcdefghi"],
        "unbalanced_train": ["---1_cCGK4M", "---2_BBVHAA", "---B_v8ZoBY"],
        "eval": ["--0bntG9i7E", "--0w1YA1Hm4"],
    }
    truth = Truth()
    for name, videos in ids.items():
        head = f"# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids={len(videos)}\n# YTID, start_seconds\n"
        lines = [f'{video}, 30.000, 40.000, "/m/09x0r{",/m/05zppz" * (video[-1] < "a")}"\n' for video in videos]
        write(place / f"{name}_segments.csv", head + "".join(lines))
        for video in videos:
            labels = ("Speech", "Male speech") if video[-1] < "a" else ("Speech",)
            truth[f"{name}/{video}_30000_40000.wav"] = (labels, "test" if name == "eval" else "train", video)
    record(place, truth)
    return truth


TREES: dict[str, Callable[[Path], Truth]] = {
    "as2m": as2m,
    "esc50": lambda root: esc50(root, ESC50_NAMES),
    "esc10": lambda root: esc50(root, ESC10_NAMES),
    "cremad": cremad(EVAR_SPEAKERS),
    "cremad_tfds": cremad(TFDS_SPEAKERS),
    "nsynth_instrument": lambda root: nsynth(root, "family"),
    "nsynth_pitch": lambda root: nsynth(root, "pitch"),
    "fsd50k": fsd50k,
    "libricount_own": libricount,
    "fsdd": fsdd,
    "vocalsound": vocalsound,
    "mridangam_stroke_own": lambda root: mridangam(root, "stroke"),
    "mridangam_tonic_own": lambda root: mridangam(root, "tonic"),
    "beijing_opera_own": beijing_opera,
    "gtzan_music_speech_own": gtzan_music_speech,
    "gunshot": gunshot,
    "voxlingua33_own": voxlingua,
    "tau2020": tau2020,
    "fma_small": fma_small,
    "mtt_own": mtt,
    "openmic": openmic,
    "surge_own": surge,
    "voxforge_own": voxforge,
    "spcv1": spcv1,
    "cremad_hear": hear("tfds_crema_d-1.0.0-full", 5),
    "libricount": hear("libricount-v1.0.0-hear2021-full", 5),
    "mridangam_stroke": hear("mridangam_stroke-v1.5-full", 5),
    "mridangam_tonic": hear("mridangam_tonic-v1.5-full", 5),
    "beijing_opera": hear("beijing_opera-v1.0-hear2021-full", 5),
    "gtzan_music_speech": hear("tfds_gtzan_music_speech-1.0.0-full", 10),
    "vocal_imitations": hear("vocal_imitation-v1.1.3-full", 3),
    "voxlingua_top10": hear("vox_lingua_top10-hear2021-full", 5),
}
