#include "SpeechFaceComponent.h"

#include "Components/SkeletalMeshComponent.h"
#include "GameFramework/Actor.h"
#include "Misc/Paths.h"

#include "SpeechVoice.h"

DEFINE_LOG_CATEGORY_STATIC(LogTinyface, Log, All);

/** The engine-free half. Whoever opens or closes holds the lock; PushAudio only tries to. */
struct FSpeechFaceVoice
{
	tinyface::Model Model;
	tinyface::Voice Voice;
	std::atomic<bool> bOpen{false};
	FCriticalSection Opening;
};

USpeechFaceComponent::USpeechFaceComponent()
{
	PrimaryComponentTick.bCanEverTick = true;
	PrimaryComponentTick.TickGroup = TG_PrePhysics;
	Voice = MakePimpl<FSpeechFaceVoice>();
}

USpeechFaceComponent::~USpeechFaceComponent() = default;

void USpeechFaceComponent::BeginPlay()
{
	Super::BeginPlay();
	const FString Path = FPaths::IsRelative(Artefact) ? FPaths::ProjectContentDir() / Artefact : Artefact;
	std::string Error;
	if (!Voice->Model.open(TCHAR_TO_UTF8(*FPaths::ConvertRelativePathToFull(Path)), Error))
	{
		UE_LOG(LogTinyface, Error, TEXT("%s"), UTF8_TO_TCHAR(Error.c_str()));
		return;
	}
	for (const std::string& Name : Voice->Model.channels())
	{
		Channels.Add(FName(UTF8_TO_TCHAR(Name.c_str())));
	}
	Values.SetNumZeroed(Channels.Num());
	if (Faces.Num() == 0 && GetOwner())
	{
		TArray<USkeletalMeshComponent*> Found;
		GetOwner()->GetComponents(Found);
		Faces.Append(Found);
	}
	Restart();
}

bool USpeechFaceComponent::Restart()
{
	if (!Voice->Model.is_open())
	{
		return false;
	}
	const FScopeLock Lock(&Voice->Opening);
	std::string Error;
	Voice->bOpen = Voice->Voice.open(Voice->Model, SampleRateHz, AudioChannels, BlockSamples, Error);
	if (!Voice->bOpen)
	{
		UE_LOG(LogTinyface, Error, TEXT("%s"), UTF8_TO_TCHAR(Error.c_str()));
	}
	return Voice->bOpen;
}

void USpeechFaceComponent::EndPlay(const EEndPlayReason::Type Reason)
{
	{
		const FScopeLock Lock(&Voice->Opening);
		Voice->bOpen = false;
		Voice->Voice.close();
		Voice->Model.close();
	}
	Channels.Reset();
	Values.Reset();
	Super::EndPlay(Reason);
}

void USpeechFaceComponent::PushAudio(const float* Samples, int32 Count)
{
	// Held only against Restart and EndPlay; where one of these runs, this block is dropped instead of waited for.
	if (Count > 0 && Voice->bOpen && Voice->Opening.TryLock())
	{
		Voice->Voice.push(Samples, static_cast<std::size_t>(Count));
		Voice->Opening.Unlock();
	}
}

void USpeechFaceComponent::TickComponent(float Seconds, ELevelTick Type, FActorComponentTickFunction* Function)
{
	Super::TickComponent(Seconds, Type, Function);
	if (!Voice->bOpen)
	{
		return;
	}
	std::string Error;
	if (!Voice->Voice.update(Error))
	{
		UE_LOG(LogTinyface, Warning, TEXT("%s"), UTF8_TO_TCHAR(Error.c_str()));
		Restart();
		return;
	}
	const float* Face = Voice->Voice.face(AudioDelaySeconds);
	if (!Face)
	{
		return;
	}
	FMemory::Memcpy(Values.GetData(), Face, Values.Num() * sizeof(float));
	for (USkeletalMeshComponent* Mesh : Faces)
	{
		if (Mesh)
		{
			for (int32 Channel = 0; Channel < Channels.Num(); ++Channel)
			{
				Mesh->SetMorphTarget(Channels[Channel], Values[Channel]);
			}
		}
	}
}

float USpeechFaceComponent::GetCurve(FName Channel) const
{
	const int32 At = Channels.IndexOfByKey(Channel);
	return At == INDEX_NONE ? 0.f : Values[At];
}

float USpeechFaceComponent::LatencySeconds() const
{
	return Voice->bOpen ? static_cast<float>(Voice->Voice.latency_seconds()) : 0.f;
}
