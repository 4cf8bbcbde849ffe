## Moves the blend shapes of faces from the speech on an audio bus. Shapes are matched by name: ARKit's (jawOpen, ...).
## Put an AudioEffectCapture on that bus. The face follows its sound by `delay_s` seconds.
class_name SpeechFace
extends Node

@export_file("*.pte") var artefact := "res://model.pte"  ## in the export's non-resource files: add *.pte to the filter
@export var bus := "Voice"
@export var faces: Array[MeshInstance3D] = []

const BLOCK := 512
var voice: TinyfaceVoice
var capture: AudioEffectCapture
var moved: Array[MeshInstance3D] = []  # the faces of the start: a game may change its list while they speak
var places: Array[PackedInt32Array] = []  # of each channel, in each of them


func _ready() -> void:
	var index := AudioServer.get_bus_index(bus)
	for effect in AudioServer.get_bus_effect_count(index) if index >= 0 else 0:
		capture = AudioServer.get_bus_effect(index, effect) as AudioEffectCapture
		if capture:
			break
	voice = TinyfaceVoice.new()
	var bytes := FileAccess.get_file_as_bytes(artefact)
	if not capture or not voice.open(bytes, bytes.size(), int(AudioServer.get_mix_rate()), BLOCK):
		push_error("SpeechFace: ", voice.error() if capture else "no AudioEffectCapture on the bus " + bus)
		set_process(false)
		return
	moved.assign(faces)
	for channel in voice.channels():
		var found := PackedInt32Array()
		for face in moved:
			found.push_back(face.find_blend_shape_by_name(voice.channel_name(channel)) if face else -1)
		places.push_back(found)


func _process(_delta: float) -> void:
	var now := Time.get_ticks_usec() / 1e6
	var count := capture.get_frames_available()
	if count > 0 and not voice.push(capture.get_buffer(count), count, now):
		push_warning("SpeechFace: ", voice.error())
	voice.pull(now)
	for channel in places.size():
		for face in moved.size():
			if places[channel][face] >= 0 and is_instance_valid(moved[face]):  # freed since: it is moved no more
				moved[face].set_blend_shape_value(places[channel][face], voice.value(channel))


func delay_s() -> float:
	return voice.delay_s()
