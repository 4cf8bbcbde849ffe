#include "SpeechFaceComponent.h"

#include <atomic>
#include <string>

#include "Components/SkeletalMeshComponent.h"
#include "Features/IModularFeatures.h"
#include "GameFramework/Actor.h"
#include "HAL/CriticalSection.h"
#include "HAL/PlatformTime.h"
#include "Misc/FileHelper.h"
#include "Misc/Paths.h"
#include "Misc/ScopeLock.h"

#include "SpeechLiveLinkSource.h"
#include "SpeechVoice.h"
#include "TinyfaceLibrary.h"

DEFINE_LOG_CATEGORY_STATIC(LogTinyface, Log, All);

/** The engine-free half. Whoever opens or closes holds the lock; PushAudio only tries to. */
struct FSpeechFaceVoice
{
	tinyface::Model Model;
	tinyface::Voice Voice;
	std::atomic<bool> bOpen{false};
	FCriticalSection Opening;
	FCriticalSection Reading; // of Channels and Values, which animation's worker threads ask for
	TSharedPtr<FSpeechLiveLinkSource> LiveLink;
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
	if (!OpenArtefact())
	{
		return;
	}
	FindFaces();
	IModularFeatures& Features = IModularFeatures::Get();
	if (!LiveLinkSubject.IsNone() && Features.IsModularFeatureAvailable(ILiveLinkClient::ModularFeatureName))
	{
		Voice->LiveLink = MakeShared<FSpeechLiveLinkSource>(LiveLinkSubject, Channels);
		Features.GetModularFeature<ILiveLinkClient>(ILiveLinkClient::ModularFeatureName).AddSource(Voice->LiveLink);
	}
	Restart();
}

/** Through Unreal's own files: packaged games have it in a .pak, and the library opens the bytes. */
bool USpeechFaceComponent::OpenArtefact()
{
	if (!IsTinyfaceLibraryLoaded())
	{
		UE_LOG(LogTinyface, Error, TEXT("%s: not opened, as the plugin's native library was not loaded (LogTinyfaceModule)"), *Artefact);
		return false;
	}
	const FString Path = FPaths::IsRelative(Artefact) ? FPaths::ProjectContentDir() / Artefact : Artefact;
	TArray<uint8> Bytes;
	if (!FFileHelper::LoadFileToArray(Bytes, *Path))
	{
		UE_LOG(LogTinyface, Error, TEXT("%s: cannot read; stage it as a non-asset file"), *Path);
		return false;
	}
	std::string Error;
	if (!Voice->Model.open(Bytes.GetData(), static_cast<std::size_t>(Bytes.Num()), Error))
	{
		UE_LOG(LogTinyface, Error, TEXT("%s"), UTF8_TO_TCHAR(Error.c_str()));
		return false;
	}
	const FScopeLock Lock(&Voice->Reading);
	for (const std::string& Name : Voice->Model.channels())
	{
		Channels.Add(FName(UTF8_TO_TCHAR(Name.c_str())));
	}
	Values.SetNumZeroed(Channels.Num());
	return true;
}

/** Each is posed after its curves are there. */
void USpeechFaceComponent::FindFaces()
{
	if (Faces.Num() == 0 && GetOwner())
	{
		TArray<USkeletalMeshComponent*> Found;
		GetOwner()->GetComponents(Found);
		Faces.Append(Found);
	}
	for (USkeletalMeshComponent* Mesh : Faces)
	{
		if (Mesh)
		{
			Mesh->AddTickPrerequisiteComponent(this);
		}
	}
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
		Show(Voice->Model.neutral().data()); // the take before has ended, and nobody else closes its mouth
	}
	return Voice->bOpen;
}

void USpeechFaceComponent::EndPlay(const EEndPlayReason::Type Reason)
{
	if (Voice->Model.is_open())
	{
		Show(Voice->Model.neutral().data()); // meshes and receivers keep what they were told last
	}
	for (USkeletalMeshComponent* Mesh : Faces)
	{
		if (Mesh)
		{
			Mesh->RemoveTickPrerequisiteComponent(this);
		}
	}
	IModularFeatures& Features = IModularFeatures::Get();
	if (Voice->LiveLink && Features.IsModularFeatureAvailable(ILiveLinkClient::ModularFeatureName))
	{
		Features.GetModularFeature<ILiveLinkClient>(ILiveLinkClient::ModularFeatureName).RemoveSource(Voice->LiveLink);
	}
	Voice->LiveLink.Reset();
	{
		const FScopeLock Lock(&Voice->Opening);
		Voice->bOpen = false;
		Voice->Voice.close();
		Voice->Model.close();
	}
	const FScopeLock Lock(&Voice->Reading);
	Channels.Reset();
	Values.Reset();
	Super::EndPlay(Reason);
}

void USpeechFaceComponent::PushAudio(const float* Samples, int32 Count)
{
	// Held only against Restart and EndPlay; where one of these runs, this block is dropped instead of waited for.
	if (Count > 0 && Voice->bOpen && Voice->Opening.TryLock())
	{
		Voice->Voice.push(Samples, static_cast<std::size_t>(Count), FPlatformTime::Seconds());
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
	const float* Face = Voice->Voice.face(FPlatformTime::Seconds(), Error);
	if (!Error.empty())
	{
		UE_LOG(LogTinyface, Warning, TEXT("%s"), UTF8_TO_TCHAR(Error.c_str()));
	}
	Show(Face);
}

/** On curves, meshes and in Live Link: a value for each channel. */
void USpeechFaceComponent::Show(const float* Face)
{
	{
		const FScopeLock Lock(&Voice->Reading);
		FMemory::Memcpy(Values.GetData(), Face, Values.Num() * sizeof(float));
	}
	if (Voice->LiveLink)
	{
		Voice->LiveLink->Push(Values, FPlatformTime::Seconds());
	}
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
	const FScopeLock Lock(&Voice->Reading);
	const int32 At = Channels.IndexOfByKey(Channel);
	return At == INDEX_NONE ? 0.f : Values[At];
}

float USpeechFaceComponent::LatencySeconds() const
{
	return Voice->bOpen ? static_cast<float>(Voice->Voice.delay_seconds()) : 0.f;
}
