"""Frames as USD time samples: a head with blend shapes, and a SkelAnimation that moves them.

    /Head (SkelRoot)  /Head/Mesh  /Head/Mesh/jawOpen ... (BlendShape)  /Head/Skeleton  /Head/Speech (SkelAnimation)

Centimetres, y up, one time code a frame: `timeCodesPerSecond` is the frame rate. Needs `usd-core`, the extra `usd`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from sdk.errors import EngineUnavailable, FaceError, pip_install
from sdk.faces.face import Face
from sdk.rig import Frame, RigLayout
from sdk.scenes.head import normals
from sdk.tools.whole import own_folder

SUFFIXES = (".usda", ".usdc", ".usd")


def check_usd() -> None:
    """Raises `EngineUnavailable` without usd-core."""
    try:
        importlib.import_module("pxr.Usd")
    except ImportError as error:
        raise EngineUnavailable(f"USD needs usd-core ({error}): {pip_install('usd')}") from error


def usd_bytes(suffix: str, face: Face, frames: Sequence[Frame], layout: RigLayout, fps: Fraction) -> bytes:
    """The head and its speech as a file of `suffix`, one of `SUFFIXES`. Raises `EngineUnavailable` without usd-core,
    `FaceError` for no frames or where USD cannot write its temporary file."""
    check_usd()
    from pxr import Tf, Usd

    if not frames:
        raise FaceError("no frames to animate a head with")
    # USD writes under a name alone and piece by piece: what it makes is nobody's until it is whole
    with own_folder() as folder:
        path = folder / f"spoken{suffix.lower()}"
        try:
            stage = Usd.Stage.CreateNew(str(path))
            _fill(stage, face, frames, layout, fps)
            stage.GetRootLayer().Save()
        except Tf.ErrorException as error:
            said = re.findall(r" : '(.*)'", str(error)) or [" ".join(str(error).split())]
            raise FaceError(
                f"{folder.parent}: USD cannot write its temporary file there: {said[0]}; make room, or name another "
                "folder in TMPDIR"
            ) from error
        return path.read_bytes()


def _fill(stage: Any, face: Face, frames: Sequence[Frame], layout: RigLayout, fps: Fraction) -> None:
    """The head and its speech onto an empty stage."""
    from pxr import Gf, UsdGeom, UsdSkel, Vt

    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.SetTimeCodesPerSecond(float(fps))
    stage.SetFramesPerSecond(float(fps))
    stage.SetStartTimeCode(frames[0].index)
    stage.SetEndTimeCode(frames[-1].index)
    root = UsdSkel.Root.Define(stage, "/Head")
    stage.SetDefaultPrim(root.GetPrim())
    names = [_word(name) for name in face.names]
    mesh = _mesh(stage, face, names, UsdGeom, UsdSkel, Vt)
    skeleton = UsdSkel.Skeleton.Define(stage, "/Head/Skeleton")
    skeleton.CreateJointsAttr(["head"])
    skeleton.CreateBindTransformsAttr([Gf.Matrix4d(1.0)])
    skeleton.CreateRestTransformsAttr([Gf.Matrix4d(1.0)])
    UsdSkel.BindingAPI.Apply(mesh.GetPrim()).CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    speech = UsdSkel.Animation.Define(stage, "/Head/Speech")
    speech.CreateBlendShapesAttr(names)
    speech.CreateJointsAttr([])
    weights = np.stack([frame.values for frame in frames]) @ face.weights(layout)
    samples = speech.CreateBlendShapeWeightsAttr()
    for frame, row in zip(frames, weights, strict=True):
        samples.Set(Vt.FloatArray.FromNumpy(np.ascontiguousarray(row, np.float32)), frame.index)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([speech.GetPath()])


def _mesh(stage: Any, face: Face, names: Sequence[str], UsdGeom: Any, UsdSkel: Any, Vt: Any) -> Any:
    mesh = UsdGeom.Mesh.Define(stage, "/Head/Mesh")
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(face.neutral_cm))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(face.triangles.reshape(-1)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray(len(face.triangles), 3))
    mesh.CreateSubdivisionSchemeAttr("none")
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals(face.neutral_cm, face.triangles)))
    mesh.SetNormalsInterpolation("vertex")
    low, high = face.neutral_cm.min(axis=0), face.neutral_cm.max(axis=0)
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([low, high])))
    if face.colours is not None:
        mesh.CreateDisplayColorPrimvar("vertex").Set(Vt.Vec3fArray.FromNumpy(face.colours))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateJointIndicesPrimvar(True, 1).Set([0])
    binding.CreateJointWeightsPrimvar(True, 1).Set([1.0])
    binding.CreateBlendShapesAttr(names)
    targets = binding.CreateBlendShapeTargetsRel()
    for name, delta in zip(names, face.deltas_cm, strict=True):
        shape = UsdSkel.BlendShape.Define(stage, f"/Head/Mesh/{name}")
        rows = np.flatnonzero(np.abs(delta).max(axis=1) > 1e-4)
        shape.CreateOffsetsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(delta[rows])))
        shape.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(rows.astype(np.int32)))
        targets.AddTarget(shape.GetPath())
    return mesh


def _word(name: str) -> str:
    """A name as USD allows one."""
    word = re.sub(r"\W", "_", name)
    return word if not word[:1].isdigit() else f"_{word}"
