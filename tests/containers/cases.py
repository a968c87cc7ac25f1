"""What is asked of each container, of the real one and of ours: scripts, and the requests to each.

A group is one kind of container; a case is one script, loaded once, and the requests to it. What
the real ones answered is in ``recorded.json``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from tests import wire

MODELS: Final = Path(__file__).parents[1] / "models"
JSON, CSV, TEXT, RAW = "application/json", "text/csv", "text/plain", "application/octet-stream"
NPY, LIBSVM = "application/x-npy", "text/libsvm"
ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; a header that is None is not sent."""

    body: bytes = b"[[1, 2]]"
    content_type: str | None = JSON
    accept: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A script and the requests to it, in their order."""

    name: str
    script: str | None
    requests: tuple[Request, ...] = (Request(),)
    model: str = ""


# --- DLR: neo_preprocess, neo_postprocess -------------------------------------------------------

_DLR = """
import numpy as np
seen = None

def neo_preprocess(payload, content_type):
    global seen
    seen = f"{type(payload).__name__} {bytes(payload) if isinstance(payload, bytearray) else payload!r} {content_type}"
    return np.ones((1, 2), "float32")

"""


_FORM_TYPE: Final = "multipart/form-data; boundary=xx"


def _form(name: str) -> bytes:
    """Return a form with one part."""
    said = f'Content-Disposition: form-data; name="{name}"'
    return f"--xx\r\n{said}\r\nContent-Type: text/plain\r\n\r\n1,2\r\n--xx--\r\n".encode()


def _dlr(name: str, result: str, *requests: Request) -> Case:
    script = _DLR + f"def neo_postprocess(result):\n    return {result}\n"
    return Case(name, script, requests or (Request(),))


def _feeding(name: str, data: str, model: str = "") -> Case:
    script = (
        "import numpy as np, json\n"
        f"def neo_preprocess(payload, content_type):\n    return {data}\n"
        "def neo_postprocess(result):\n"
        "    many = isinstance(result, list)\n"
        "    return json.dumps([np.asarray(r).tolist() for r in result] if many"
        " else result.tolist()), 'application/json'\n"
    )
    return Case(name, script, model=model)


_RAISING = "(_ for _ in ()).throw(%s)"
DLR: Final = (
    _dlr(
        "what neo_preprocess is given",
        "seen, 'text/plain'",
        Request(b'{"a": [1, 2.5, null]}'),
        Request(b"[1]"),
        Request(b'"text"'),
        Request(b"{"),
        Request(b""),
        Request("grün".encode(), TEXT),
        Request(b"\xff\xfe", TEXT),
        Request(b"1,2\n", CSV),
        Request(b"", CSV),
        Request(b"\x00\xff", RAW),
        Request(b"", RAW),
        Request(b"[1]", "application/json; charset=utf-8"),
        Request(b"[1]", "Application/JSON"),
        Request(b"a", "text/plain; charset=utf-8"),
        Request(b'{"a": 1}\n{"a": 2}', "application/jsonlines"),
        Request(b"\x93NUMPY", NPY),
        Request(b"[1]", None),
        Request(b"[1]", JSON, "text/csv", {ATTRIBUTES: "a=b"}),
        Request(b"[NaN, 1e400]"),
        Request('"ü"'.encode("utf-16")),
        Request(b"a\xffb", "text/csv; charset=latin-1"),
        Request(b"a=1&b=2", "application/x-www-form-urlencoded"),
        Request(b"a=1&body=2", "application/x-www-form-urlencoded"),
        Request(_form("body"), _FORM_TYPE),
        Request(_form("data"), _FORM_TYPE),
        Request(_form("other"), _FORM_TYPE),
    ),
    *(
        _dlr(f"neo_postprocess returns {what}", result)
        for what, result in {
            "bytes": "b'\\x00\\xff', 'image/png'",
            "a bytearray": "bytearray(b'ab'), 'text/plain'",
            "a dict": "{'a': [1, 2]}, 'application/json'",
            "a list": "[1, 'b', None], 'application/json'",
            "None": "None, 'application/json'",
            "a bool": "True, 'application/json'",
            "a number": "1.5, 'application/json'",
            "not a number": "float('nan'), 'application/json'",
            "an array": "result, 'application/json'",
            "a number of numpy": "result[0][0], 'application/json'",
            "a memoryview": "memoryview(b'ab'), 'text/plain'",
            "a generator": "(x for x in 'ab'), 'text/plain'",
            "a list of two": "['ab', 'text/plain']",
            "a text of two letters": "'ab'",
            "one value": "'abc'",
            "three values": "'a', 'text/plain', 'c'",
            "nothing": "None",
            "no content type": "'a', None",
            "an empty content type": "'a', ''",
            "a content type in bytes": "'a', b'text/plain'",
            "a number for a content type": "'a', 5",
            "an empty text": "'', 'text/plain'",
            "half a character": "'\\ud800', 'text/plain'",
            "a content type beyond HTTP": "'a', '\\u2028'",
        }.items()
    ),
    _dlr("neo_postprocess exits", _RAISING % "SystemExit(3)", Request(), Request()),
    _dlr("neo_postprocess raises", _RAISING % "ValueError('no')"),
    _dlr("neo_postprocess blames the client", _RAISING % "ValueError('ClientError: no')"),
    Case("a script that fails", "raise ValueError('no')"),
    Case("no neo_postprocess", _DLR),
    Case("neither function", "x = 1"),
    _dlr("null", "'a', 'text/plain'", Request(b"null")),
    _feeding("neo_preprocess raises", _RAISING % "ValueError('no\\nsuch')"),
    _feeding("neo_preprocess blames the client", _RAISING % "ValueError('ClientError: no')"),
    _feeding("neo_preprocess returns a list", "[[1.0, 2.0]]"),
    _feeding("neo_preprocess returns nothing", "None"),
    _feeding("neo_preprocess returns the input by its name", "{'x': np.ones((1, 2), 'float32')}"),
    _feeding("neo_preprocess returns another name", "{'y': np.ones((1, 2), 'float32')}"),
    _feeding("neo_preprocess returns a name too many", "{'x': np.ones((1, 2)), 'y': 1}"),
    _feeding("neo_preprocess returns another size", "np.ones((1, 3), 'float32')"),
    _feeding("two inputs", "{n: np.ones((1, 2), 'float32') for n in 'ab'}", "pair.onnx"),
    _feeding("one array for two inputs", "np.ones((1, 2), 'float32')", "pair.onnx"),
    _feeding("one name of two", "{'a': np.ones((1, 2), 'float32')}", "pair.onnx"),
)

# --- SageMaker's toolkit: the script's own functions ------------------------------------------------

_LOADING = "import json\nimport numpy as np\ndef model_fn(model_dir):\n    return 3\n"


def _transform(name: str, result: str, *requests: Request, context: bool = False) -> Case:
    last = ", context" if context else ""
    script = (
        f"{_LOADING}def transform_fn(model, body, content_type, accept{last}):\n"
        f"    return {result}\n"
    )
    return Case(name, script, requests or (Request(),))


_SEEN = (
    "f'{type(body).__name__} {bytes(body) if isinstance(body, bytearray) else body!r} "
    "{content_type} {accept}', 'text/plain'"
)
_PARTS = """
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    return [x * model for x in data]
def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""
TOOLKIT: Final = (
    _transform(
        "what transform_fn is given",
        _SEEN,
        Request(),
        Request(b"{"),
        Request(b"1,2", CSV),
        Request(b"\xff", CSV),
        Request(b"\x00\xff", RAW),
        Request(b"text", TEXT),
        Request(b"[1]", "application/json; charset=utf-8"),
        Request(b"[1]", None),
        Request(b""),
        Request(accept="*/*"),
        Request(accept="text/csv"),
        Request(accept="application/json, text/csv"),
        Request(accept="text/csv;q=0.9, */*"),
        Request(b"a=1&body=2", "application/x-www-form-urlencoded"),
        Request(_form("body"), _FORM_TYPE),
        Request(_form("other"), _FORM_TYPE),
    ),
    *(
        _transform(f"transform_fn returns {what}", result)
        for what, result in {
            "text": "'abc'",
            "bytes": "b'\\x00\\xff'",
            "a bytearray": "bytearray(b'ab')",
            "a dict": "{'a': [1, 2], 'b': {'c': 'ü'}}",
            "a list": "[1, 'b', None]",
            "an empty list": "[]",
            "None": "None",
            "a bool": "True",
            "a number": "1.5",
            "not a number": "float('nan')",
            "an array": "np.ones(2)",
            "a number of numpy": "np.float32(1)",
            "a memoryview": "memoryview(b'ab')",
            "a generator": "(x for x in 'ab')",
            "a set": "{1}",
            "a dict with an array": "{'a': np.ones(2)}",
            "a body and its type": "'a,b', 'text/csv'",
            "a dict and its type": "{'a': 1}, 'text/csv'",
            "a body without a type": "'a', None",
            "a body and an empty type": "'a', ''",
            "a type in bytes": "'a', b'text/csv'",
            "a number for a type": "'a', 5",
            "half a character": "'\\ud800'",
            "three values": "'a', 'text/csv', 'c'",
            "one value in a tuple": "('a',)",
        }.items()
    ),
    _transform("transform_fn exits", _RAISING % "SystemExit(3)", Request(), Request()),
    _transform("transform_fn runs out of memory", _RAISING % "MemoryError()"),
    _transform("transform_fn raises", _RAISING % "ValueError('no\\nsuch')"),
    _transform(
        "transform_fn raises an error with a status",
        _RAISING
        % "__import__('sagemaker_inference.errors').errors.BaseInferenceToolkitError(418, 'm', 'p')",
    ),
    Case("transform_fn is async", f"{_LOADING}async def transform_fn(m, b, c, a):\n    return b\n"),
    *(
        _transform(f"the context: {what}", result, request, context=True)
        for what, result, request in (
            ("manifest", "type(context.manifest).__name__, 'text/plain'", Request()),
            ("model name", "context.model_name, 'text/plain'", Request()),
            (
                "system properties",
                "json.dumps(sorted(context.system_properties)), 'application/json'",
                Request(),
            ),
            (
                "custom attributes",
                f"str(context.get_request_header(0, '{ATTRIBUTES}')), 'text/plain'",
                Request(headers={ATTRIBUTES: "a=b,c=d"}),
            ),
            (
                "all headers",
                "json.dumps({k: v for k, v in sorted(context.get_all_request_header(0).items())"
                " if k.lower() in ('content-type', 'x-a', 'body')}), 'application/json'",
                Request(headers={"X-A": "1"}),
            ),
            (
                "headers of the reply",
                "(context.set_response_header(0, 'X-B', '2'), 'done')[1], 'text/plain'",
                Request(),
            ),
            (
                "custom attributes of the reply",
                f"(context.set_response_header(0, '{ATTRIBUTES}', 'e=f'), 'done')[1], 'text/plain'",
                Request(),
            ),
            (
                "status",
                "(context.set_response_status(code=418, phrase='tea', idx=0), 'x')[1]",
                Request(),
            ),
            (
                "status and headers so far",
                "str((context.get_response_status(0), context.get_response_headers(0)))",
                Request(),
            ),
            ("request id", "str(len(context.get_request_id(0)) > 8), 'text/plain'", Request()),
            (
                "metrics",
                "(context.metrics.add_counter('n', 1), context.metrics.add_time('t', 2), 'x')[-1]",
                Request(),
            ),
        )
    ),
    Case(
        "the four functions",
        _LOADING + _PARTS,
        (Request(b"[1, 2]"), Request(b"[1, 2]", accept="text/csv"), Request(b"{"), Request(b"5")),
    ),
    Case(
        "the four functions, with a context",
        _LOADING
        + _PARTS.replace("accept)", "accept, context)").replace(
            "json.dumps(prediction)", "json.dumps([prediction, context.model_name])"
        ),
        (Request(b"[1, 2]"),),
    ),
    Case("model_fn raises", "def model_fn(d):\n    raise ValueError('no')\n" + _PARTS),
    Case(
        "transform_fn beside predict_fn",
        f"{_LOADING}def transform_fn(m, b, c, a):\n    return b\ndef predict_fn(d, m):\n    return d\n",
    ),
    _transform(
        "a payload of six megabytes",
        "str(len(body)), 'text/plain'",
        Request(b"x" * 6 * 1024**2, RAW),
    ),
)

# --- the PyTorch container's own functions ------------------------------------------------------


def npy(rows: object, dtype: str) -> bytes:
    """Return an array as numpy saves it."""
    with io.BytesIO() as file:
        np.save(file, np.array(rows, dtype))
        return file.getvalue()


_ROWS: Final = [[1, 2]]
_SAVED: Final = npy(_ROWS, "float32")
TORCH: Final = (
    Case(
        "no script",
        None,
        (
            Request(),
            Request(b"[[0.1, 2.7]]"),
            Request(b"[]"),
            Request(b"{"),
            Request(b"[[1], [2, 3]]"),
            Request(b'["a"]'),
            Request(b"[[1, 2]]", "application/json; charset=utf-8"),
            Request(b"1,2\n3,4\n", CSV),
            Request(b"0.1,2\n", CSV),
            Request(b"a,b\n", CSV),
            Request(b"", CSV),
            Request(_SAVED, NPY),
            Request(npy(_ROWS, "float64"), NPY),
            Request(npy(_ROWS, "int64"), NPY),
            Request(npy([[0.1]], "float32"), NPY),
            Request(b"\x93NUMPY", NPY),
            Request(b"[[1, 2]]", TEXT),
            Request(b"[[1, 2]]", RAW),
            Request(b"[[1, 2]]", None),
            Request(accept=JSON),
            Request(accept="*/*"),
            Request(accept=CSV),
            Request(b"[[0.1, 2]]", accept=CSV),
            Request(accept=NPY),
            Request(b"[[0.1, 2]]", accept=NPY),
            Request(accept="text/plain"),
            Request(accept="text/plain, application/json"),
            Request(accept="application/json;q=0.9"),
            Request(accept="text/csv, application/json"),
            Request(accept="*/*, application/json"),
            Request(accept="application/json, */*"),
        ),
    ),
    Case(
        "a model_fn, and predict_fn by the container",
        "import torch, os\ndef model_fn(d):\n"
        "    return torch.jit.load(os.path.join(d, 'model.pth'))\n",
        (Request(), Request(accept=CSV)),
    ),
    Case(
        "predict_fn returns a dict",
        "def predict_fn(data, model):\n    return {'a': model(data)}\n",
        (Request(), Request(accept=CSV)),
    ),
    Case("predict_fn returns a tuple", "def predict_fn(data, model):\n    return model(data), 1\n"),
    Case("input_fn returns a list", "def input_fn(body, content_type):\n    return [1.0]\n"),
)

# --- TensorFlow: the handlers, with a model server that is recorded ---------------------------------

SERVED: Final = b'{\n    "predictions": [[0.5], [1.0]]\n}'


def _handlers(name: str, given: str, answered: str, *requests: Request) -> Case:
    script = (
        "import json\n"
        "seen = []\n"
        "def input_handler(data, context):\n"
        f"    seen[:] = [{given}]\n"
        "    return data.read()\n"
        "def output_handler(response, context):\n"
        f"    return {answered}\n"
    )
    return Case(name, script, requests or (Request(),))


_FIELDS = "json.dumps([str(v).partition(':8')[0] if 'http' in str(v) else v for v in (%s)])"
_POSTPONED = """
from __future__ import annotations
import dataclasses
@dataclasses.dataclass
class Row:
    x: int
    y: dataclasses.KW_ONLY
    z: int = 1
def handler(data, context):
    return str(Row(1)), 'text/plain'
"""
TENSORFLOW: Final = (
    _handlers(
        "the context",
        "[context.model_name, context.model_version, context.method, context.custom_attributes,"
        " context.request_content_type, context.accept_header, context.content_length]",
        "json.dumps(seen[0]), 'application/json'",
        Request(),
        Request(content_type=None),
        Request(content_type=CSV),
        Request(content_type="application/json; charset=utf-8"),
        Request(accept="*/*"),
        Request(accept=JSON),
        Request(accept="text/csv, application/json"),
        Request(headers={ATTRIBUTES: "tfs-model-name=other,tfs-method=classify,x=y"}),
        Request(headers={ATTRIBUTES: "tfs-model-version=2"}),
        Request(b""),
    ),
    _handlers(
        "the model server's address",
        "context.rest_uri.partition('/v1')[2]",
        "seen[0], 'text/plain'",
        Request(),
        Request(headers={ATTRIBUTES: "tfs-model-name=other,tfs-method=classify"}),
        Request(headers={ATTRIBUTES: "tfs-model-version=2"}),
    ),
    _handlers(
        "the body's stream",
        "[hasattr(data, n) for n in ('read', 'readline', 'readlines', '__iter__', 'seek', 'tell',"
        " 'getvalue')]",
        "json.dumps(seen[0]), 'text/plain'",
    ),
    _handlers("the body's type", "type(data.read()).__name__", "seen[0], 'text/plain'"),
    _handlers("seek", "data.seek(0)", "'done', 'text/plain'"),
    _handlers("the response", "0", "response.content, 'application/json'"),
    _handlers(
        "its JSON",
        "0",
        "json.dumps([response.status_code, response.json(), response.headers.get('content-type')]), context.accept_header",
    ),
    *(
        _handlers(f"output_handler returns {what}", "0", result)
        for what, result in {
            "text": "'ü', 'text/plain'",
            "a dict": "{'a': 1}, 'application/json'",
            "a list of two": "['a', 'text/plain']",
            "None": "None, 'application/json'",
            "a number": "5, 'application/json'",
            "one value": "'abc'",
            "nothing": "None",
            "three values": "'a', 'text/plain', 'c'",
            "no type": "'a', None",
            "a bytearray": "bytearray(b'ab'), 'text/plain'",
        }.items()
    ),
    _handlers("output_handler raises", "0", _RAISING % "ValueError('no \\'such\\'')"),
    Case("one handler", "def handler(data, context):\n    return data.read(), 'a/b'\n"),
    Case(
        "a handler that is None",
        "handler = None\n"
        + "def input_handler(d, c):\n    return d\ndef output_handler(r, c):\n    return 'x', 'text/plain'\n",
    ),
    Case(
        "the module in sys.modules",
        "import sys\nwhere = __name__ in sys.modules\ndef handler(data, context):\n    return str(where), 'text/plain'\n",
    ),
    Case("a dataclass with postponed annotations", _POSTPONED),
    Case("one handler of two", "def input_handler(data, context):\n    return data\n"),
    Case("a script that fails", "raise ValueError('no')\n"),
)
SERVED_WITHOUT_A_SCRIPT: Final = (
    Case(
        "no script",
        None,
        (
            Request(b'{"instances": [[1, 2]]}'),
            Request(b'{"inputs": {"a": 1}}'),
            Request(b'{"a": 1}'),
            Request(b"[1, 2]"),
            Request(b"[[1, 2], [3, 4]]"),
            Request(b'{"a": 1}\n{"a": 2}\n'),
            Request(b'{"a": 1}\n{"a": 2}', "application/jsonlines"),
            Request(b'{"a": 1}', "application/jsonlines"),
            Request(b"[1]\n[2]", "application/jsons"),
            Request(b"1,2\n3,4\n", CSV),
            Request(b"1\n2", CSV),
            Request(b"a,b,c\n", CSV),
            Request(b'"a",b\n', CSV),
            Request(b'a"b"c\n', CSV),
            Request(b"1,2\n\n3,4", CSV),
            Request(b"", JSON),
            Request(b"{", JSON),
            Request(b"x", RAW),
            Request(b"x", TEXT),
            Request(b"[1]", "application/json; charset=utf-8"),
            Request(b"[1]", None),
            Request(b"[1]", accept=JSON),
            Request(b"[1]", accept="application/jsonlines"),
            Request(b"[1]", accept="text/csv, application/json"),
            Request(b"[1]", accept="*/*"),
            Request(b"[1]", headers={ATTRIBUTES: "tfs-method=classify"}),
            Request(b"[1]", headers={ATTRIBUTES: "tfs-model-name=other"}),
            Request('["ü"]'.encode()),
        ),
    ),
)

# --- XGBoost: a handler of its own --------------------------------------------------------------

_TABLES: Final = (
    Request(b"1,2,3,4\n", CSV),
    Request(b"1,2,3,4\n5,6,7,20", CSV),
    Request(b"1;2;3;4\n", CSV),
    Request(b"1 2 3 4\n", CSV),
    Request(b"1\t2\t3\t4\n", CSV),
    Request(b"1.5,-2,3e1,nan\n", CSV),
    Request(b"1,2,3,a\n", CSV),
    Request(b"a,b,c,d\n1,2,3,4\n", CSV),
    Request(b"1,2,3,4\n1,2\n", CSV),
    Request(b"1,,3,4\n", CSV),
    Request(b"1,2,3,4\r\n5,6,7,8\r\n", CSV),
    Request(b"1\n", CSV),
    Request(b"", CSV),
    Request(b"\n", CSV),
    Request(b"\xff", CSV),
    Request(b"0:1 1:2 2:3 3:4\n", LIBSVM),
    Request(b"1 0:1 3:4\n0 1:2\n", LIBSVM),
    Request(b"0:20 3:1", LIBSVM),
    Request(b"3:1\n3:2\n", "text/x-libsvm"),
    Request(b"0:1", LIBSVM),
    Request(b"1\n3:1", LIBSVM),
    Request(b"3:1\n1", LIBSVM),
    Request(b"3:a", LIBSVM),
    Request(b"a:1", LIBSVM),
    Request(b"3:1:2", LIBSVM),
    Request(b"", LIBSVM),
    Request(b"1", LIBSVM),
    Request(b"[[1, 2, 3, 4]]", JSON),
    Request(b"{", JSON),
    Request(b"1,2,3,4", TEXT),
    Request(b"1,2,3,4", "text/csv; charset=utf-8"),
    Request(b"1,2,3,4", RAW),
    Request(b"1,2,3,4", None),
    Request(b"1,2,3,4,5\n", CSV),
    Request(b"4:1", LIBSVM),
    Request(b"-1:1", LIBSVM),
    Request(b"0:1\t1:2", LIBSVM),
    Request(b"1.0:1", LIBSVM),
)
XGBOOST: Final = (
    Case("one output", None, _TABLES, "xgboost-1.3.json"),
    Case("three outputs", None, (_TABLES[0], _TABLES[1], _TABLES[15]), "xgboost-1.3-classes.json"),
)

# --- MXNet's toolkit ----------------------------------------------------------------------------

_BLOCK = """
import json
import mxnet as mx
def model_fn(model_dir):
    net = mx.gluon.nn.HybridLambda(lambda F, x: x + x)
    return net
"""
_MODULE = """
import json
import mxnet as mx
def model_fn(model_dir):
    x = mx.sym.Variable('x')
    module = mx.mod.Module(x + x, data_names=['x'], label_names=None)
    module.bind(for_training=False, data_shapes=[('x', (1, 2))])
    module.init_params()
    return module
"""
MXNET: Final = (
    Case(
        "a block, and the container's functions",
        _BLOCK,
        (
            Request(),
            Request(b"1,2", CSV),
            Request(npy(_ROWS, "float32"), NPY),
            Request(accept=NPY),
            Request(accept=CSV),
            Request(accept="text/csv, application/json"),
            Request(b"x", RAW),
        ),
    ),
    Case(
        "a block, and functions of the script",
        _BLOCK
        + _PARTS.replace(
            "[x * model for x in data]", "model(mx.nd.array(data)).asnumpy().tolist()"
        ),
    ),
    Case(
        "a module, and the container's functions",
        _MODULE,
        (
            Request(),
            Request(b"1,2", CSV),
            Request(b"1,2\n3,4", CSV),
            Request(npy(_ROWS, "float32"), NPY),
        ),
    ),
    Case(
        "input_fn of a module takes the model",
        _MODULE
        + (
            "def input_fn(b, c, model):\n    return mx.io.NDArrayIter(mx.nd.array(json.loads(b)), batch_size=1)\n"
        ),
    ),
    Case(
        "input_fn of a module takes two",
        _MODULE
        + (
            "def input_fn(b, c):\n    return mx.io.NDArrayIter(mx.nd.array(json.loads(b)), batch_size=1)\n"
        ),
    ),
    Case(
        "functions of a module with a context",
        _MODULE + ("def output_fn(p, a, context):\n    return context.model_name\n"),
    ),
    Case("a plain object", "def model_fn(d):\n    return 3\n" + "import json\n" + _PARTS),
    Case(
        "transform_fn with a plain object",
        _transform("", _SEEN).script,
        (Request(), Request(b"\xff", RAW)),
    ),
    Case(
        "model_fn counts how often it is called",
        "n = []\nimport mxnet as mx\ndef model_fn(d):\n    n.append(1)\n    return mx.gluon.nn.HybridLambda(lambda F, x: x)\ndef output_fn(p, a):\n    return str(len(n))\n",
    ),
    Case(
        "model_fn takes a context",
        "import mxnet as mx\ndef model_fn(d, context):\n    return mx.gluon.nn.HybridLambda(lambda F, x: x)\n",
    ),
    Case("no script", None),
)

GROUPS: Final[Mapping[str, tuple[Case, ...]]] = {
    "dlr": DLR,
    "toolkit": TOOLKIT,
    "torch": TORCH,
    "tensorflow": TENSORFLOW,
    "tensorflow-none": SERVED_WITHOUT_A_SCRIPT,
    "xgboost": XGBOOST,
    "mxnet": MXNET,
}


def lay_out(group: str, case: Case, folder: Path) -> None:
    """Put a case's model, and its script, into a folder as the container has them."""
    folder.mkdir(parents=True)
    if group == "dlr":
        (folder / "model.onnx").write_bytes(wire.PAIR if case.model else wire.TWICE)
    elif group == "torch":
        (folder / "model.pth").write_bytes((MODELS / "twice.pth").read_bytes())
    elif group == "xgboost":
        (folder / "model.json").write_bytes((MODELS / case.model).read_bytes())
    elif group.startswith("tensorflow"):
        (folder / "1").mkdir()
        saved = MODELS / "saved_model" / "saved_model.pb"
        (folder / "1" / "saved_model.pb").write_bytes(saved.read_bytes())
    if case.script is not None:
        (folder / "code").mkdir()
        (folder / "code" / "inference.py").write_text(case.script)
