#pragma once

#include <atomic>

#include "CoreMinimal.h"
#include "ILiveLinkClient.h"
#include "ILiveLinkSource.h"

/**
 * One speaking face as a Live Link subject of the Basic role: its curves under the names that Apple's app sends, JawOpen
 * say, which MetaHumans and whoever else follows that app listen to. Any thread may Push; the client takes it over.
 */
class FSpeechLiveLinkSource : public ILiveLinkSource
{
public:
	/** Curves: the channels' own names, in their order. */
	FSpeechLiveLinkSource(FName Subject, const TArray<FName>& Curves);

	/** The face of this instant, as many values as curves. Nothing before the client has taken this source, or after. */
	void Push(const TArray<float>& Values, double WorldSeconds);

	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
	virtual bool IsSourceStillValid() const override { return Client.load() != nullptr; }
	virtual bool RequestSourceShutdown() override;
	virtual FText GetSourceType() const override;
	virtual FText GetSourceMachineName() const override;
	virtual FText GetSourceStatus() const override;

private:
	std::atomic<ILiveLinkClient*> Client{nullptr};
	FLiveLinkSubjectKey Key;
	TArray<FName> Properties;
};
