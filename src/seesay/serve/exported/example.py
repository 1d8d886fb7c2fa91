"""Predict with this folder alone: python example.py image=seven.png audio=seven.wav"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from reading import read

config = json.loads(Path(__file__).with_name("config.json").read_text())
session = onnxruntime.InferenceSession(str(Path(__file__).with_name("model.onnx")))
files = dict(word.partition("=")[::2] for word in sys.argv[1:])
if not files or not files.keys() <= config["inputs"].keys():
    sys.exit(f"usage: python example.py {' '.join(f'{name}=FILE' for name in config['inputs'])}")
feed = {}
for name, given in config["inputs"].items():
    content = read(files[name], given) if name in files else np.zeros(given["shape"], given["dtype"])
    feed |= {name: content[None], f"has_{name}": np.array([name in files])}
outputs = dict(zip((x.name for x in session.get_outputs()), session.run(None, feed), strict=True))
probabilities = outputs["probabilities_" + config["together"]][0]
for i in np.argsort(-probabilities)[:5]:
    print(f"{config['classes'][i]}\t{probabilities[i]:.6f}")
known = outputs.get("known_" + config["together"], [float("nan")])[0]
print(f"known {known:.6f}, agreement {outputs['agreement'][0]:.6f}")
