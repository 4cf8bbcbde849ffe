#pragma once

#include "Components/ActorComponent.h"
#include "CoreMinimal.h"
#include "Templates/PimplPtr.h"

#include "SpeechFaceComponent.generated.h"

class USkeletalMeshComponent;
struct FSpeechFaceVoice;

/**
 * Speech in, ARKit curves out. Push the speaker's audio from any one thread (a submix listener, a synth component, an audio
 * capture) as it comes; a face whose sound stops eases to rest. Every tick the faces' morph targets of the channels' names are
 * set, and the curves can be read by FName on any thread, from an animation blueprint say, and followed as a Live Link subject.
 */
UCLASS(ClassGroup = (Audio), meta = (BlueprintSpawnableComponent))
class TINYFACE_API USpeechFaceComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	USpeechFaceComponent();
	virtual ~USpeechFaceComponent() override;

	/** A .pte: an absolute path, or one under the project's Content folder (stage it as a non-asset file). */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Speech Face")
	FString Artefact = TEXT("Tinyface/model.pte");

	/** Meshes whose morph targets are named like the channels. Empty: all skeletal meshes of the actor. */
	UPROPERTY(BlueprintReadWrite, Category = "Speech Face")
	TArray<TObjectPtr<USkeletalMeshComponent>> Faces;

	/** Of the audio that is pushed. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Speech Face", meta = (ClampMin = "8000", ClampMax = "96000"))
	int32 SampleRateHz = 48000;

	/** Of the audio that is pushed: interleaved, averaged. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Speech Face", meta = (ClampMin = "1", ClampMax = "8"))
	int32 AudioChannels = 1;

	/** Samples of each channel that are pushed at a time. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Speech Face", meta = (ClampMin = "1"))
	int32 BlockSamples = 1024;

	/** Also a Live Link subject of this name: what a MetaHuman's ARKit face subject is set to. None: no subject. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Speech Face")
	FName LiveLinkSubject;

	/** Audio thread: `Count` interleaved samples of each channel, float within -1..1. No heap, never waits. */
	void PushAudio(const float* Samples, int32 Count);

	/** The value of a channel now; 0 for a name that is none, or before the first tick. Any thread. */
	UFUNCTION(BlueprintPure, Category = "Speech Face")
	float GetCurve(FName Channel) const;

	/** The channels' names, in order. */
	UFUNCTION(BlueprintPure, Category = "Speech Face")
	const TArray<FName>& GetChannels() const { return Channels; }

	/** From a sound to its face. Hold the sound back by this, and lips meet it. */
	UFUNCTION(BlueprintPure, Category = "Speech Face")
	float LatencySeconds() const;

	/** The next sound begins a new take; what is pushed meanwhile is dropped. */
	UFUNCTION(BlueprintCallable, Category = "Speech Face")
	bool Restart();

	virtual void BeginPlay() override;
	virtual void EndPlay(const EEndPlayReason::Type Reason) override;
	virtual void TickComponent(float Seconds, ELevelTick Type, FActorComponentTickFunction* Function) override;

private:
	bool OpenArtefact();
	void FindFaces();
	void Show(const float* Face);

	TPimplPtr<FSpeechFaceVoice> Voice;
	TArray<FName> Channels;
	TArray<float> Values;
};
