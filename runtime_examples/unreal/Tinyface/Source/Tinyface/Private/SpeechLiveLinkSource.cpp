#include "SpeechLiveLinkSource.h"

#include "Roles/LiveLinkBasicRole.h"
#include "Roles/LiveLinkBasicTypes.h"

#include "SpeechVoice.h"

#define LOCTEXT_NAMESPACE "Tinyface"

FSpeechLiveLinkSource::FSpeechLiveLinkSource(FName Subject, const TArray<FName>& Curves)
{
	Key.SubjectName = Subject;
	for (const FName& Curve : Curves)
	{
		const std::string Name = tinyface::live_link_name(TCHAR_TO_UTF8(*Curve.ToString()));
		Properties.Add(FName(UTF8_TO_TCHAR(Name.c_str())));
	}
}

void FSpeechLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid)
{
	Key.Source = InSourceGuid;
	FLiveLinkStaticDataStruct Names(FLiveLinkBaseStaticData::StaticStruct());
	Names.Cast<FLiveLinkBaseStaticData>()->PropertyNames = Properties;
	InClient->PushSubjectStaticData_AnyThread(Key, ULiveLinkBasicRole::StaticClass(), MoveTemp(Names));
	Client = InClient; // frames from now on
}

void FSpeechLiveLinkSource::Push(const TArray<float>& Values, double WorldSeconds)
{
	ILiveLinkClient* const To = Client.load();
	if (To == nullptr)
	{
		return;
	}
	FLiveLinkFrameDataStruct Frame(FLiveLinkBaseFrameData::StaticStruct());
	FLiveLinkBaseFrameData* const Data = Frame.Cast<FLiveLinkBaseFrameData>();
	Data->WorldTime = FLiveLinkWorldTime(WorldSeconds, 0.0);
	Data->PropertyValues = Values;
	To->PushSubjectFrameData_AnyThread(Key, MoveTemp(Frame));
}

bool FSpeechLiveLinkSource::RequestSourceShutdown()
{
	Client = nullptr;
	return true;
}

FText FSpeechLiveLinkSource::GetSourceType() const { return LOCTEXT("Type", "tinyface"); }
FText FSpeechLiveLinkSource::GetSourceMachineName() const { return LOCTEXT("Machine", "this machine"); }
FText FSpeechLiveLinkSource::GetSourceStatus() const
{
	return IsSourceStillValid() ? LOCTEXT("Speaks", "speaks") : LOCTEXT("Gone", "gone");
}

#undef LOCTEXT_NAMESPACE
