"""What a damaged, foreign, older or newer file gets: one sentence that says what is wrong and what to do."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.models import file as file_module
from pynn.saving import container

safetensors = pytest.importorskip("safetensors.numpy")

X = (np.arange(24).reshape(6, 4) % 5).astype(np.float32)
Y = np.arange(6) % 2


def small() -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(2))
    model.build((4,))
    return model


def saved(path: Path) -> bytes:
    small().save(path)
    return path.read_bytes()


def ensemble(path: Path) -> bytes:
    pynn.Ensemble([small()]).save(path)
    return path.read_bytes()


def state(path: Path) -> bytes:
    container.write_state(path, {"step": 1, "w": np.ones(2)})
    return path.read_bytes()


def zipped(path: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"weight": [1.0]}))
    return content.getvalue()


def npz(path: Path) -> bytes:
    content = io.BytesIO()
    np.savez(content, weight=np.ones(3))
    return content.getvalue()


def weights(path: Path) -> bytes:
    return bytes(safetensors.save({"encoder.layer.0.weight": np.ones((2, 2), np.float32)}, {"format": "pt"}))


def changed(**change: Any) -> Callable[[Path], bytes]:
    """A model file with something else in its description, and a checksum that is right."""

    def make(path: Path) -> bytes:
        tensors, description = file_module.content(small())
        file_module.write(path, tensors, "pynn", {**description, **change})
        return path.read_bytes()

    return make


AGAIN = "it is damaged, cut off or something else; copy it again"
OTHERS = r"; pynn\.transfer\.load_weights reads weights of other libraries"
FILES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda path: b"", rf"is not a whole safetensors file \(.*\): {AGAIN}$"),
    "cut off": (lambda path: saved(path)[:-9], rf"is not a whole safetensors file \(.*\): {AGAIN}$"),
    "cut off in its header": (lambda path: saved(path)[:90], rf"is not a whole safetensors file \(.*\): {AGAIN}$"),
    "longer": (lambda path: saved(path) + b"x", rf"is not a whole safetensors file \(.*\): {AGAIN}$"),
    "text": (lambda path: b"epoch,loss\n1,0.5\n", rf"is not a whole safetensors file \(.*\): {AGAIN}$"),
    "zeros": (lambda path: bytes(5000), rf"is not a whole safetensors file \(.*\): {AGAIN}$"),
    "one bit": (
        lambda path: saved(path)[:-1] + b"\x01",
        r"is damaged: its checksum is wrong; copy, download or save it again$",
    ),
    "torch.save": (zipped, rf"but a zip archive, as torch\.save, Keras and np\.savez write it{OTHERS}"),
    "np.savez": (npz, r"but a zip archive, as torch\.save, Keras and np\.savez write it"),
    "pickle": (lambda path: pickle.dumps([1]), rf"but a pickle, which can run code{OTHERS}"),
    "HDF5": (lambda path: b"\x89HDF\r\n\x1a\n" + bytes(99), rf"but an HDF5 file, as Keras writes it{OTHERS}"),
    "a picture": (lambda path: b"\x89PNG\r\n\x1a\n" + bytes(99), r"but a picture \(PNG\)$"),
    "weights of others": (
        weights, rf"is a safetensors file but not a pynn \w+: its metadata has no entry 'pynn\w*'{OTHERS}$"
    ),
    "no tensors": (lambda path: bytes(safetensors.save({})), r"is a safetensors file but not a pynn \w+: .*'pynn\w*'$"),
}  # fmt: skip
OF_MODELS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "an ensemble": (ensemble, r"not a pynn model: .*; it is an ensemble, which pynn\.Ensemble\.load reads$"),
    "a checkpoint": (state, r"not a pynn model: .*; it is a checkpoint, from which fit\(.*resume=True\) continues$"),
    "a newer format": (changed(format=7), r"has format 7, this pynn reads up to 1; install a newer pynn$"),
    "a newer key": (changed(lora=3), r"the description has the key 'lora', unknown here: .* or a newer pynn wrote it$"),
    "a newer layer": (
        changed(layers=[{"kind": "Attention", "items": [2]}]), r"'Attention' is not a pynn class; pass your own as"
    ),
    "a newer argument": (
        changed(layers=[{"kind": "Affine", "arguments": {"units": 2, "rank": 3}}]), r"Affine has no 'rank'"
    ),
    "no step": (changed(step=None), r"step is None, expected an integer"),
}  # fmt: skip


def _one_sentence(error: BaseException, path: Path) -> None:
    text = str(error)
    assert text.startswith((str(path), "no checkpoint in"))
    assert len(text) < 700
    assert "\n" not in text


@pytest.mark.parametrize("name", [*FILES, *OF_MODELS])
def test_load(name: str, tmp_path: Path) -> None:
    make, message = {**FILES, **OF_MODELS}[name]
    path = tmp_path / "m.safetensors"
    path.write_bytes(make(path))
    with pytest.raises(ValueError, match=message) as caught:
        pynn.load(path)
    _one_sentence(caught.value, path)


@pytest.mark.parametrize("name", FILES)
def test_load_of_an_ensemble(name: str, tmp_path: Path) -> None:
    make, message = FILES[name]
    path = tmp_path / "m.safetensors"
    path.write_bytes(make(path) if name != "one bit" else ensemble(path)[:-1] + b"\x01")
    with pytest.raises(ValueError, match=message) as caught:
        pynn.Ensemble.load(path)
    _one_sentence(caught.value, path)


def test_a_model_is_no_ensemble(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    with pytest.raises(ValueError, match=r"not a pynn ensemble: .*; it is a model, which pynn\.load reads$"):
        pynn.Ensemble.load(tmp_path / "m")


@pytest.mark.parametrize("name", [*FILES, "a model", "an ensemble", "a newer format", "a folder"])
def test_resume(name: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-00000001.safetensors"
    if name == "a folder":
        path.mkdir()
        message = r"is a folder, expected a checkpoint file$"
    elif name == "a newer format":
        text = json.dumps({"format": 3, "crc": 1, "state": "{}"})
        path.write_bytes(safetensors.save({"a": np.ones(1)}, {container.ENTRY: text}))
        message = r"has format 3, this pynn reads 1 and 2: the file is damaged, or a newer pynn wrote it$"
    elif name in FILES:
        make, message = FILES[name]
        path.write_bytes(make(path) if name != "one bit" else state(path)[:-1] + b"\x01")
        message = r"is damaged: its checksum is wrong$" if name == "one bit" else message
    else:
        path.write_bytes(saved(path) if name == "a model" else ensemble(path))
        message = r"not a pynn checkpoint: .*; it is an? (model, which pynn|ensemble, which pynn\.Ensemble)\.load reads"
    with pytest.raises(
        ValueError, match=rf"^no checkpoint in .* can be used: .*{message.strip('$')}.*; to start over"
    ) as caught:
        pynn.Sequential(pynn.Affine(2)).fit(X, Y, checkpoint=tmp_path, resume=True, progress=False)
    _one_sentence(caught.value, path)


def test_places_without_a_file(tmp_path: Path) -> None:
    saved(tmp_path / "m.safetensors")
    for load in (pynn.load, pynn.Ensemble.load):
        with pytest.raises(FileNotFoundError, match=r"m does not exist; did you mean .*m\.safetensors\?$"):
            load(tmp_path / "m")
        with pytest.raises(FileNotFoundError, match=r"x does not exist, expected (a model|an ensemble) file$"):
            load(tmp_path / "x")
        with pytest.raises(IsADirectoryError, match=r"is a folder, expected (a model|an ensemble) file$"):
            load(tmp_path)
        with pytest.raises(OSError, match=r"is a device, a pipe or a socket, expected (a model|an ensemble) file$"):
            load("/dev/null")


# Files that pynn 0.1 wrote before they had checksums


MODEL = (
    r"c-obeL2DC16vv}9XTO4s;AsiFlWkH0=|+pCO7&o=P_iLRli6hH?(DKNYh6Q$UV9ORf(JoSP;5^giV%y@LxtkOlN66t4|)=$QcwhEX4BXv4JC8?"
    r"zj^QX-n{pA)nr1R1}K+Z%up3ER4#*D1NadkAO{*IsIth%Cdi#Of#rCJrJ)HFF0k)a>cXxGWqE;%SXbJ_4_TSkQ5;&-OI<4!hQ^Z64vKIfb&)4R"
    r"K`nGK={T6c#{@Yn>ZsmZ$^uMkOje+#;HU&H*rXblI?bz;rjXci4D9hZXIVDE(yMXMejc$({R)51{#9RQ$BSR3rqaDxF<OYO;_2BzvBy>;tOU88"
    r"hSxFT_e-*Qjz{+?|HEcHi@E5=M8GdE5EgiT)Ok1Y7~c1<IEd0%6?si@7Sjw>73(G_Nq;}Ue&AIwr8cSc=V6FcQBbvSB4&G}lOsTjeKV#Q%NSJ("
    r"hW+@pJm7GOl#3A&n<n>*ui9ir2MUllkP|Q<x6!jKiW%i5RY}8AABI+tgNNdzp_0)B2+5vnsd*dGLxeOuK!E*(jILziLBb-oYjrl5p({sFvQW`f"
    r"S;)LtIl@<t*TTQTp=#j>MblspriNU1NRGzKfocyY2npd`F82-VSR7P2ZfpSVItqrQjVW3>BWU827=B_rSkZL73pj3I@Th@tfTCr1i<Z__#rbVq"
    r"n-%A;5&uOK1u17w6h<e*54)fCj5klVpMPxrGVbcj@4r9W?dtlwd~4_ONNY9uCBHoLsJ-^UGoqC_qxka2#-H_#*SAM5wzt<Gwww8t*4MGU*8Oiy"
    r"Bf8ZzE^THv@~6UAiR2yQ?9^Lhr?A!fT-eIp+x$76eQ{>|>ElsjZsKJ7A9qFe?f"
)

ENSEMBLE = (
    r"c-obe&ui0A9Kfe+Xa9xq1W%zPuUR_^U8+M-nI0SyMpMFD``U&jFCp*68B3{NcM*lb4uYbfxSc!<p$@Bu3B!XY86Kw|^d!h+pa{Oa*Uqik7=5?z"
    r"ug~{qvOF>*UISQ`iy5jQhAa!@8o-YTu`r?7opUhAfrbgHUf?2Tg50R4jGDmZCLGXME~+J=@haGn3hrKEk&k16M>-y2X=sAj3;SNVzDMbU+Qbi;"
    r"Me9h07WLAeR)8DLSawj<%ghs@pccBAbRA6KV}cwOb)|kQWdSBNCMr-<a7+N_ZBmh?PVp**DkQdyfqfolt5us|;nmo$KZjVkewDY=GbJ)Rp6p6Z"
    r"rTepDG#_2VQ!_`!9$QVUCCKd#yp9pKH^uNAkM=14!=}9|bJ5MofE&*f7I=Qt?VETE_x#HaqEt#nUX#pXnxU#<-2^4!?+4fqyfUWLCbeW9hDZek"
    r"75f%qwnw@-0<@6WF~wNKs6t@am)#260=8>)*?&<>sih{z05x?Wb;`wv#Fs1Xj$iDBj1Cka(tuo?1c>YQs#S^^<tkN4!_pxjT1N574?s#oC8J9e"
    r"68q3nb2g#}7-_hV0h5f3u4LgshHU$2imn{O$wEa_yT#1KCrS88@_P8!Jy1OyqG%dSfNIEf2PA2{B&a4xK}ZOnx0P7ju|TMD;P{ci8z>l%H?C;u"
    r"jO4|i&fweQ;fki~`w+)14<5EWj!?7=A60Wyyw#QX{Wh-8#P6>m|JFkVA<mpAj9myn?0nia-aOfQ{;~DTxTi0^|Nd-ePp-eqx3{khw^v5K<QJzO"
    r"bygpEMzl0*6kq;W|FgFK`p)pB&eqz)PAk9E{yM(fUjEiHqT4Ow@<w(&e=2-6G;-HCbMdXQUD#}YE^OxRZ~UCdzBoPc^zoQ6J9)D64=dgjx&"
)

RUN = (
    r"c-pO1&92)-6lPVBV8f0D3(G=ED_NF*5??2xR0v90v0<5n(cH=L&8YT_H8bvQ8fDvu=(EsXsSm&dz%#HwY>?P6;~6{lO@f4k7m0m-zH{cB^PTzZ"
    r"qYv6=?;})!!W*nGLjGd!*E_}#*#dc9bIO#z@b@df;G)86<uANA@K!z%#JtbuahAsU%!s7I3XE{2?N|C6l%niLn)ij*iqsaoif^E_vZeX^x+o}v"
    r"hYh1jK29F(CxzgzfK9Y|9e9%xuwWVn35|{lOcWPd7l)Bn*1&M7cKZ7V&fs9+w2%4Qs9g;<iuo-{j#ZkNSF7(cnMh9pY^-Tyl_i(*==&otRE1xD"
    r"Bee7>Q-asKhmVd(yjHZLuRshuo_#yCa9JMpCfTD}7hg~!2PNs^TRkSE5t!@-rz5y5uQ7Qpy<4ib9`-7zxNs4c>*En$;F9XbQqDZn-?70pR%DB$"
    r"&fUsWD?TZQ0b;lU>G8rdAEd-mg3FjSWqGudTU>*&d+B0jfj4#WaC1`uQ*Anzict%w1t%b-?)fDn6KHUpcskG1G@H$mz)P;uG)m(rnFeiU>w|Tn"
    r"tZo!)vvXcuRtlKpVmPI^oya)61$whp1H~8C_Lx>X@}WZrPyJl*PH|1K{O@p`*TJDFfvKzCvc<848Ta-aZLCGhoRhIMwbJ<iFP`(23Ti7&tN?0G"
    r"w$A%3iP|*KD5jgpFmfKY$Y=uu?|Pl%zL6nQwr)lXTuN}%DQS(EUS{{Fw^eAqG;m*I@|U9n6jVrs2FGxbE2??18COo~O}c5yQ`C~HZW_AQ_PicL"
    r"Tng6`_*4SpWG&5)J1q*cWS-`6o+sJ#D$|6qcA{adC*6L$2m9I*-Y_)^Ib=z1wx!+KE)B=I-Pe&-YU@)(srnUnFS}(NX6Y=N#>p(7$NAMX=~vER"
    r"cWS#RoSmEJUK_<-({NRnAW;nhNg$kcP0g<2JWQiJn(6Az=Xo|-FnvEAQ?a;#L6bFy^-A~`nw#6Vy}9(A`(2v&+SY6=f3Zx~f#2THyeRa=sx6mM"
    r"kgqSI*{)p1n+9hP^I#gS4+pP(etYxa=U?AE`0|%OZXf@i{&e^8hm$AY|NZ%szdrHa9{z0Jef9d&yZ0%&`v-p(u#N"
)

PROBABILITIES = [[0.4977, 0.5023], [0.2921, 0.7079], [0.9295, 0.0705], [0.9235, 0.0765], [0.3808, 0.6192],
                 [0.4977, 0.5023]]  # fmt: skip


def _put(text: str, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.decompress(base64.b85decode(text)))
    return path


def test_an_old_model(tmp_path: Path, backend: str) -> None:
    model = pynn.load(_put(MODEL, tmp_path / "m"))
    np.testing.assert_allclose(model.predict_proba(X), PROBABILITIES, atol=1e-4)
    assert model.notes == {"classes": ["a", "ä"]}
    assert repr(model.layers[2]) == "LeakyReLU(slope=0.3)"
    assert model.layers[3].name == "head"
    model.save(tmp_path / "new")
    assert (tmp_path / "new").read_bytes() != (tmp_path / "m").read_bytes()  # it has a checksum now
    np.testing.assert_array_equal(pynn.load(tmp_path / "new").parameters, model.parameters)


def test_an_old_ensemble(tmp_path: Path, backend: str) -> None:
    ensemble = pynn.Ensemble.load(_put(ENSEMBLE, tmp_path / "e"))
    np.testing.assert_allclose(ensemble.predict_proba(X), PROBABILITIES, atol=1e-4)


def test_an_old_checkpoint(tmp_path: Path, backend: str) -> None:
    _put(RUN, tmp_path / "run" / "checkpoint-00000001.safetensors")
    found, expected = pynn.Sequential(pynn.Affine(2)), pynn.Sequential(pynn.Affine(2))
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 3, "optimizer": "sgd", "progress": False}
    found.fit(X, Y, checkpoint=tmp_path / "run", resume=True, **settings)
    expected.fit(X, Y, **settings)
    assert (found.epoch, found.context.step) == (3, 6)
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-4)
